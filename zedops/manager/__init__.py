"""The manager: watches the hub, hands documents to hosts, commits their reported states."""
