"""Small files: read at once, written whole or not at all.

By the system's own calls: a file object makes twice as many, and at each of them a thread lets
another one go first.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

#: What is added to a file's name while it is written: left by who was killed then.
PARTIAL = ".new"
_CHUNK = 1 << 16
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def read(path: str | Path, limit: int = 1 << 40) -> bytes:
    """Read a whole file, or its beginning where it has more than so many bytes.

    OSError where that cannot be. Nobody is waited for: it may be no file, in a container's volume.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        content = os.read(descriptor, _CHUNK)
        while len(content) < limit and (more := os.read(descriptor, _CHUNK)):
            content += more
        return content
    finally:
        os.close(descriptor)


def read_regular(path: str | Path, limit: int = 1 << 40, *, dir_fd: int | None = None) -> bytes:
    """Read a file that a container may have replaced: a link, a device or a FIFO is not opened.

    ValueError for one of these, OSError where the file cannot be read.
    """
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError(f"{path} is no regular file")
        return read(f"/proc/self/fd/{handle}", limit)
    finally:
        os.close(handle)


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file beside it, have it on the disk, put it in its place. OSError where it cannot be.

    One writer at a time. What was there before is there until all of the new one is.
    """
    partial = f"{path}{PARTIAL}"
    try:
        descriptor = os.open(partial, _NEW, mode)
    except FileExistsError:  # left by a process that was killed; it may be anything
        try:
            Path(partial).unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):  # unlink(2): which one depends on the system
            set_aside(Path(partial))
        descriptor = os.open(partial, _NEW, mode)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(partial, path)  # noqa: PTH105 - as everything here


def set_aside(path: Path) -> Path:
    """Give what is damaged a name that says so, and return it. OSError where that cannot be."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside, more = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while os.path.lexists(aside):
        more += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{more}")
    path.rename(aside)
    return aside
