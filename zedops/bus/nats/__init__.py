"""The bus over NATS, for fleets of many hosts: hosts dial out to one server that the manager runs.

`manager` and `agent` are the two sides, over `connection`. `subjects` names the subjects,
`messages` encodes, `streams` carries logs. `authority` grants rights and keeps the keys, `server`
runs nats-server; both belong to the manager. No other package imports nats, nkeys or cryptography,
so a fleet of one machine needs none of them.
"""
