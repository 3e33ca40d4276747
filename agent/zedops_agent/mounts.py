"""Knows this process's mount points, and touches none of them: a disk that is away would hang."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def below(place: Path) -> list[str]:
    """List the mount points at a directory and below it."""
    return sorted(each for each in _points() if Path(each).is_relative_to(place))


def is_mount_point(place: Path) -> bool:
    """Say whether something is mounted at a path."""
    return str(Path(os.path.realpath(place.parent), place.name)) in _points()


def _points() -> list[str]:
    """List all mount points (proc_pid_mountinfo(5): the fifth field, escaped)."""
    lines = _MOUNTS.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    return [_unescaped(line.split(" ")[4]) for line in lines]


def _unescaped(text: str) -> str:
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text
