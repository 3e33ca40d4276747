"""Backups of worlds on this host: how restic makes them, when, and how a world comes back."""
