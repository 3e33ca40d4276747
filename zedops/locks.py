"""One process at a time: a lock is an open file's, and the file is still the one at its path.

The kernel ends a lock with its process. But a lock says nothing once its file was removed: the next
process makes a new file and locks that one. So the holder compares its file with the path now and
then (`Lock.holds`): a removed file is put back, and a holder whose place was taken must end.
Sources: flock(2), proc(5) for `/proc/locks`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path

from zedops import disk

#: How often a holder looks at its lock.
LOOK_S = 1.0
_TRIES = 20
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Lock:
    """An advisory lock, taken without waiting. Safe to use from several threads."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Take it. BlockingIOError where another process has it; OSError where it cannot be."""
        self._path = path
        self._kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        self._looking = threading.Lock()
        self._descriptor = self._take()

    def holds(self) -> bool:
        """Say whether the lock is still this one's; a file that was only removed is put back.

        Without the directory nobody can have taken it: a disk may be away for a while.
        """
        with self._looking:
            if self._descriptor < 0:
                return False
            if _is_at(self._descriptor, self._path) or not self._path.parent.is_dir():
                return True
            try:
                taken = self._take()
            except OSError:
                return False
            os.close(self._descriptor)
            self._descriptor = taken
            return True

    def release(self) -> None:
        """Let another process have it."""
        with self._looking:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _take(self) -> int:
        for _ in range(_TRIES):
            descriptor = _open(self._path)
            try:
                fcntl.flock(descriptor, self._kind)
                if _is_at(descriptor, self._path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its file was removed between the two calls
        raise BlockingIOError(errno.EAGAIN, f"{self._path} does not stay")


def holder(path: Path) -> str:
    """Name the processes that hold a lock, for a message; empty where the kernel does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inode = path.stat().st_ino
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        found = [row[4] for row in rows if row[1] == "FLOCK" and int(row[5].split(":")[2]) == inode]
        if pids := sorted({int(each) for each in found if int(each) > 0}):
            return f" (process {', '.join(map(str, pids))})"
    return ""


def _open(path: Path) -> int:
    """Open a lock's file, for this user only; what is no file there is set aside."""
    try:
        descriptor = os.open(path, _OPEN, 0o600)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            raise
        disk.set_aside(path)
        descriptor = os.open(path, _OPEN, 0o600)
    with contextlib.suppress(PermissionError):  # of another user; the mode is that user's matter
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
