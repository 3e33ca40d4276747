"""Reads small files at once, and writes them whole or not at all.

It uses system calls: a file object makes twice as many, and each call lets another thread run
first.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

#: The suffix of a file while it is written; a process that is killed then leaves such a file.
PARTIAL = ".new"
_CHUNK = 1 << 16
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def read(path: str | Path, limit: int = 1 << 40) -> bytes:
    """Read a whole file, or only its beginning if it has more than `limit` bytes.

    OSError if it cannot be read. Never blocks: a path in a container's volume may be a FIFO. A FIFO
    or device without content is no empty file: IsADirectoryError, as for a directory.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        content = os.read(descriptor, _CHUNK)
        while len(content) < limit and (more := os.read(descriptor, _CHUNK)):
            content += more
        if not content and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, "Is not a file", str(path))
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
    """Write a file beside `path`, sync it to the disk, and rename it to `path`. Raises OSError.

    One writer at a time. The old content stays in place until the new file is complete. Rights that
    `mode` gives to others do not depend on the umask.
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
        if mode & 0o077:
            os.fchmod(descriptor, mode)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(partial, path)  # noqa: PTH105 - as everything here


def set_aside(path: Path) -> Path:
    """Rename a damaged file or directory to say so, and return its new path. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside, more = path.with_name(f"{path.name}.damaged-{stamp}"), 1
    while os.path.lexists(aside):
        more += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{more}")
    path.rename(aside)
    return aside
