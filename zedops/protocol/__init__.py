"""The messages between manager and agent. Holds shapes, no rules."""
