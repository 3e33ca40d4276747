"""Compares imports of compose files with `docker compose config`: `scripts/compare-compose`."""
