"""Puts a restored world in the place of the present one, and back: only renames in one home.

The former world is never removed here: it stays aside, in the server's home. Each function may be
cut off anywhere and goes on when it is called again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from zedops.errors import DataAtRisk
from zedops.system import failpoints
from zedops_agent import beside, markers, removal
from zedops_agent.markers import Owner

#: The directory of a restored world until it takes its place.
RESTORED = ".world-restored"
#: Space beyond the world that a restore leaves free.
_SPARE_BYTES = 64 << 20


def aside_name(at: datetime) -> str:
    """Name the directory of a former world."""
    return f".world-before-{at:%Y%m%dT%H%M%SZ}"


def check_room(home: Path, size_bytes: int) -> None:
    """Check that a world fits beside the present one. Raises DataAtRisk before any change."""
    free = shutil.disk_usage(home).free
    if free < size_bytes + _SPARE_BYTES:
        fact = f"its world needs {size_bytes >> 20} MiB beside the present one"
        raise DataAtRisk(f"{fact}, and {home} has {free >> 20} MiB free; make room there")


def begin(home: Path) -> Path:
    """Make the empty directory for a restored world; remove what an earlier try left."""
    removal.remove_tree(home, RESTORED)
    target = home / RESTORED
    target.mkdir(mode=0o700)
    return target


def settle(home: Path, places: Mapping[str, str], owner: Owner) -> None:
    """Move each restored volume up to its own name, and mark it as the server's."""
    target = home / RESTORED
    for key, path in places.items():
        found, moved = target / path.lstrip("/"), target / f"={key}"
        if not os.path.lexists(moved):
            found.rename(moved)
        with markers.opened(moved) as folder:
            if not markers.claim(folder, owner):
                raise DataAtRisk(f"the restored {key!r} carries another server's marker")
        sync(moved)


def put_in_place(home: Path, keys: Iterable[str], aside: str) -> None:
    """Swap the volumes: the present ones go aside, the restored ones take their places."""
    former = home / aside
    former.mkdir(mode=0o700, exist_ok=True)
    for key in keys:
        present, restored = home / key, home / RESTORED / f"={key}"
        if not os.path.lexists(former / key) and os.path.lexists(present):
            if not os.path.lexists(restored):
                raise DataAtRisk(f"the restored {key!r} is gone from {restored}; nothing changed")
            present.rename(former / key)
            failpoints.point("restore.aside")
        if os.path.lexists(restored):
            restored.rename(present)
            failpoints.point("restore.placed")
        with contextlib.suppress(FileNotFoundError):
            beside.note(home, key).unlink()
    for each in (former, home):
        sync(each)
    removal.remove_tree(home, RESTORED)


def put_back(home: Path, keys: Iterable[str], aside: str) -> None:
    """Put the former volumes back; the restored ones are still in the repository."""
    former, restored = home / aside, home / RESTORED
    restored.mkdir(mode=0o700, exist_ok=True)
    for key in keys:
        present, kept = home / key, former / key
        if not os.path.lexists(kept):
            continue
        if os.path.lexists(present):
            present.rename(restored / f"={key}")
            failpoints.point("restore.removed")
        kept.rename(present)
        failpoints.point("restore.returned")
    for each in (former, home):
        sync(each)
    with contextlib.suppress(OSError):  # it holds something: a person's file, or a volume
        former.rmdir()
    removal.remove_tree(home, RESTORED)


def sync(folder: Path) -> None:
    """Bring the entries of a directory to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
