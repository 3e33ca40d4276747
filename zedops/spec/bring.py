"""What `world.bring` says: whose world zedops brings over, and when that was asked. Pure."""

from __future__ import annotations

import re

from zedops.spec.layout import NAME

_BRING = re.compile(r"(?P<host>[a-z0-9][a-z0-9-]*)(?: \((?P<asked>[^()]*)\))?")


def bring_host(said: str) -> str | None:
    """Name the host whose world is to come; None for a text that names none."""
    match = _BRING.fullmatch(said)
    host = match["host"] if match else ""
    return host if NAME.fullmatch(host) else None


def checked(said: str) -> str:
    """Check what a definition says. ValueError for a text that names no host."""
    if bring_host(said) is None:
        raise ValueError(f"{said!r} names no host; `zedops move` writes it")
    return said
