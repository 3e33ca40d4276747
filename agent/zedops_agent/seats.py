"""Finds the real directories of a running container's volumes, through its own process.

A process keeps the mounts of its start: after a later mount or unmount of a disk, the path on the
host leads elsewhere. This module changes nothing. It leaves out directories that it cannot see,
because of another user's process or a container's own links on the way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from zedops_agent.observed import Container, DataVolume, Inode

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY


def look(
    container: Container, targets: Mapping[str, str], volumes: tuple[DataVolume, ...]
) -> tuple[tuple[str, Inode], ...]:
    """Return the directory (device, inode) of each data volume in a running container.

    `targets` gives each volume's path in the container.
    """
    if not container.running or not container.pid:
        return ()
    found, differs = [], False
    for volume in volumes:
        with suppress(OSError):
            seat = _inode(container.pid, targets[volume.key])
            found.append((volume.key, seat))
            differs = differs or seat != volume.identity
    if differs and not _is_its_process(container):
        return ()
    return tuple(found)


def _inode(pid: int, target: str) -> Inode:
    """Follow a path in a container, without links: a link would lead to a path of the host."""
    folder = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    try:
        for part in PurePosixPath(target).parts[1:]:
            below = os.open(part, _STEP, dir_fd=folder)
            os.close(folder)
            folder = below
        status = os.fstat(folder)
        return status.st_dev, status.st_ino
    finally:
        os.close(folder)


def _is_its_process(container: Container) -> bool:
    """Check that `pid` is a process of this container: an agent in a container sees others."""
    with suppress(OSError):
        return container.id in Path(f"/proc/{container.pid}/cgroup").read_text()
    return False
