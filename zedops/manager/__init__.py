"""The control loop: watches the hub, hands documents to hosts, commits what they report.

Speaks to no Docker Engine.
"""
