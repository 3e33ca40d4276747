"""The manager: watches the hub, hands documents to hosts, commits what they report."""
