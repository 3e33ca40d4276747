"""Parses and formats durations and sizes as people write them in definitions.

Guards one rule: zedops never guesses the unit of a bare number.
"""

from __future__ import annotations

import re

_DURATION_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
#: The longest duration zedops accepts: a retention of a hundred years is a typing mistake.
_DURATION_MAX_S = 100 * 365 * 86400.0

_BYTES = re.compile(r"(\d{1,18})b")
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
#: The same for editors, whose patterns have no flags; `parse_size` decides.
SIZE_HINT = r"^\d+(\.\d+)?\s*([kKmMgGtT]([iI]?[bB])?|[bB])$"
_SIZE_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(text: object) -> float:
    """Read `90s`, `5m`, `1h30m`, `7d` as seconds. ValueError says how to write it."""
    if isinstance(text, str) and DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        seconds = sum(float(number) * _DURATION_UNITS_S[unit] for number, unit in parts)
        if seconds > _DURATION_MAX_S:
            raise ValueError(f"{text!r} is longer than 100 years; write a shorter time")
        return round(seconds, 3)
    raise ValueError(f"{text!r} is not a duration; write a number with a unit, e.g. 90s, 5m, 24h")


def format_duration(seconds: float) -> str:
    """Write seconds the way people do: `1.2 s`, `45 s`, `12 min`, `3 h`, `5 d`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"


def exact(value: float) -> str:
    """Write a number with every digit that it needs to be read back, without an exponent."""
    from decimal import Decimal  # 2 ms that few commands need

    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_size(text: object) -> int:
    """Read `512MiB`, `6GiB`, `6g` as bytes; k, m, g, t are powers of 1024 as in `docker run -m`.

    Source: docker/go-units RAMInBytes, which reads `KB` and `KiB` alike.
    """
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None or (not match[2] and "b" not in match[0].lower()):
        raise ValueError(f"{text!r} is not a size; write a number with a unit, e.g. 512MiB, 6GiB")
    size = float(match[1]) * 1024 ** _SIZE_POWER[match[2].lower()]
    return int(size) or (1 if size else 0)  # at least 1: the Engine takes 0 for no limit


def format_size(size_bytes: int) -> str:
    """Write bytes the way people do: `512 B`, `1.4 MiB`, `37 GiB`."""
    value, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if unit != "B" and value < 10 else f"{value:.0f} {unit}"


def readable(value: str) -> str:
    """Write an exact number of bytes, `6442450944b`, in the largest unit that keeps it exact."""
    match = _BYTES.fullmatch(value)
    if match is None:
        return value
    size, unit = int(match[1]), "b"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size == 0 or size % 1024:
            break
        size, unit = size // 1024, larger
    return f"{size}{unit}"
