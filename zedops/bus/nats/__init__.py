"""The bus over NATS, for fleets of many hosts: hosts dial out to one server that the manager runs.

`manager` and `agent` are the two sides, over `connection`; `subjects` says where what is said,
`messages` how, `streams` how logs travel. `authority` says who may do what and keeps the keys,
`server` runs nats-server; both are the manager's. Nothing outside this package
imports nats, nkeys or cryptography, so that one machine alone needs none of them.
"""
