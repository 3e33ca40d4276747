"""File locks: one process at a time holds the lock of the file at a path.

The kernel releases a lock at the end of its process. But the lock of a removed file protects
nothing: the next process makes a new file and locks that one. So the holder regularly compares its
file with the path (`Lock.holds`). It recreates a removed file; if another process has locked a new
one, the holder must end.
Sources: flock(2), proc(5) for `/proc/locks`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path

from zedops.system import files

#: Seconds between two checks of a holder's lock.
LOOK_S = 1.0
_TRIES = 20
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Lock:
    """An advisory lock, taken without waiting. Safe to use from several threads."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Take the lock. BlockingIOError if another process has it; OSError if opening fails."""
        self._path = path
        self._kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        self._looking = threading.Lock()
        self._descriptor = self._take()

    def holds(self) -> bool:
        """Say whether this object still holds the lock; recreate a file that was only removed.

        Without the directory no process can have taken it: a disk may be away for a while. The same
        goes for a path that cannot be looked at.
        """
        with self._looking:
            if self._descriptor < 0:
                return False
            try:
                if _is_at(self._descriptor, self._path) or not self._path.parent.is_dir():
                    return True
                taken = self._take()
            except BlockingIOError:
                return False
            except OSError:  # could not look, or not restore the file: no other process has it
                return True
            os.close(self._descriptor)
            self._descriptor = taken
            return True

    def release(self) -> None:
        """Release the lock."""
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
        raise BlockingIOError(errno.EAGAIN, f"{self._path} is removed again and again")


def holder(path: Path) -> str:
    """Name the processes that hold a lock, for a message; empty if the kernel shows none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inode = path.stat().st_ino
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        found = [row[4] for row in rows if row[1] == "FLOCK" and int(row[5].split(":")[2]) == inode]
        if pids := sorted({int(each) for each in found if int(each) > 0}):
            return f" (process {', '.join(map(str, pids))})"
    return ""


def _open(path: Path) -> int:
    """Open a lock's file, for this user only; set aside anything else at its path."""
    try:
        descriptor = os.open(path, _OPEN, 0o600)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            raise
        files.set_aside(path)
        descriptor = os.open(path, _OPEN, 0o600)
    with contextlib.suppress(PermissionError):  # the file of another user, who chooses its mode
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file is the one at a path. OSError if the path cannot be looked at."""
    try:
        there = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
