"""Stable ids of servers: ULIDs, which sort by the time of their making."""

from __future__ import annotations

import secrets

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(at_s: float) -> str:
    """Make a ULID: 48 bits of milliseconds since 1970, 80 random bits, in Crockford's base 32."""
    number = (int(at_s * 1000) << 80) | secrets.randbits(80)
    return "".join(_BASE32[(number >> shift) & 31] for shift in range(125, -1, -5))
