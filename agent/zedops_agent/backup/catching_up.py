"""Brings a restored snapshot up to a later one: only what differs is written.

restic says which files differ by content or metadata. They are restored and verified; what is gone
is removed; a directory that differs in its metadata alone gets those. The caller compares the
result with the world as a whole, and restores all of it where anything fails.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zedops_agent import removal
from zedops_agent.backup.restic import Restic, read_time
from zedops_agent.backup.restic_process import ResticFailed

#: With more differences than this a whole restore is as fast.
MOST = 2000
#: Bits of Go's file modes (io/fs) that chmod(2) has elsewhere.
_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))


@dataclass
class Difference:
    """What has to be done to a restored snapshot."""

    restored: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)  #: only their metadata differ


def catch_up(
    opened: Restic, base: str, last: str, target: Path, places: Sequence[str], about: str
) -> None:
    """Change the tree of `base` in a directory into that of `last`. ResticFailed, OSError."""
    found = sort_out(opened.differences(base, last), places)
    if len(found.restored) + len(found.removed) + len(found.directories) > MOST:
        raise ResticFailed("too much differs")
    for each in found.removed:
        place = target / each.lstrip("/")
        with contextlib.suppress(FileNotFoundError):
            removal.remove_tree(place.parent, place.name)
    opened.restore(last, target, (*found.restored, about))
    if found.directories:
        nodes = {each["path"]: each for each in opened.nodes(last, found.directories)}
        for each in sorted(found.directories, reverse=True):  # the inner ones first
            _set(target / each.lstrip("/"), nodes[each])


def sort_out(changes: Mapping[str, str], places: Sequence[str]) -> Difference:
    """Sort restic's differences, of the places alone: `+`, `-`, `M`, `U`, `T` by path."""
    found = Difference()
    for path, how in changes.items():
        plain = path.rstrip("/")
        if not any(f"{plain}/".startswith(f"{place}/") for place in places):
            continue
        if "-" in how or "T" in how:
            found.removed.append(plain)
        if path.endswith("/") and how == "U":
            found.directories.append(plain)
        elif "-" not in how:
            found.restored.append(plain)
    return found


def _set(place: Path, node: Mapping[str, Any]) -> None:
    mode = int(node["mode"])
    os.chown(place, int(node["uid"]), int(node["gid"]), follow_symlinks=False)
    place.chmod(mode & 0o777 | sum(bit for go, bit in _BITS if mode & go))
    at = read_time(str(node["mtime"])).timestamp()
    os.utime(place, (at, at), follow_symlinks=False)
