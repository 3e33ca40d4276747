"""Which directories a running container really has, as its own process sees them.

A mount stays what it was when the process began: if a disk is mounted over it afterwards, or goes,
the path on the host leads elsewhere. Only looks; what cannot be seen (another user's process, a
container's own links on the way) is left out.
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
    """Say which directory a running container has as each data volume.

    `targets` says where in the container each one is.
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
    """Follow a path in a container, and none of its links: they would lead about on the host."""
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
    """See that the number is a process of this container: an agent in a container has others."""
    with suppress(OSError):
        return container.id in Path(f"/proc/{container.pid}/cgroup").read_text()
    return False
