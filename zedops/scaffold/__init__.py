"""First definitions, from a preset, a container or a Compose file. Does no I/O."""
