"""The command line: what commands share. Holds no rules."""
