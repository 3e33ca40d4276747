"""The operating system: small files, directories to watch, signals, logs, paths and keys.

Knows nothing of servers.
"""
