"""The manager's local socket, from the side of those who ask. Holds no rules."""
