"""Reads compose files and `docker run` lines as Compose and Docker do, and accounts for every key.

Must not read files, know a fleet, or guess.
"""
