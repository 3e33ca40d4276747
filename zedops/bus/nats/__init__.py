"""The bus over NATS, for fleets of many hosts: hosts dial out to one server that the manager runs.

`authority` says who may do what and keeps the keys, `server` runs nats-server; both are the
manager's. An agent needs `tokens`, `jwt` and `certificates` only. Nothing outside this package
imports nats, nkeys or cryptography, so that one machine alone needs none of them.
"""
