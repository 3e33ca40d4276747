"""Reads compose files and `docker run` lines as Compose and Docker do, with an account of every
key; must not read files, know a fleet, or guess.
"""
