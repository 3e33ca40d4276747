"""Small files: read at once, written whole or not at all.

By the system's own calls: a file object makes twice as many, and at each of them a thread lets
another one go first.
"""

from __future__ import annotations

import os
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


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file beside it, have it on the disk, put it in its place. OSError where it cannot be.

    One writer at a time. What was there before is there until all of the new one is.
    """
    partial = f"{path}{PARTIAL}"
    try:
        descriptor = os.open(partial, _NEW, mode)
    except FileExistsError:  # of somebody who was killed; it may be anything
        Path(partial).unlink(missing_ok=True)
        descriptor = os.open(partial, _NEW, mode)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(partial, path)  # noqa: PTH105 - as everything here
