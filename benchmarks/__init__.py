"""Measurements, each a command that repeats it. No test depends on them."""
