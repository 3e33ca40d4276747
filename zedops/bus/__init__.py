"""The transports between manager and agents. Hold no rules."""
