"""A private directory for keys: whole files or none, one writer at a time.

Every write makes a temporary file, syncs it, renames it over the old one, and syncs the rename. So
kill -9 and power cuts leave either the old file or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from zedops.errors import ZedopsError
from zedops.system import files

_LOCK = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class PrivateDirectory:
    """The files in one directory of mode 0700, each of mode 0600."""

    def __init__(self, folder: Path) -> None:
        # the server needs absolute paths: its working directory may differ
        self.folder = folder = folder.absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        except OSError as error:
            remedy = "make it a directory that this user owns"
            raise ZedopsError(f"cannot use {folder}: {error.strerror}; {remedy}") from error

    def read_file(self, name: str) -> bytes | None:
        """Read a file; None if there is none. ZedopsError if it is there and cannot be read."""
        path = self.folder / name
        try:
            return files.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            remedy = "make it a file that this user can read, or put it back from a backup"
            raise ZedopsError(f"cannot read {path}: {error.strerror}; {remedy}") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file. Only under the lock: the temporary name is always the same."""
        path = self.folder / name
        try:
            files.write(path, content)
            self._sync()
        except OSError as error:
            raise ZedopsError(f"cannot write {path}: {error.strerror}; see to its disk") from error

    def _sync(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process out; a holder's death releases the lock."""
        # open the file each time: flock(2) separates threads only by their open files
        descriptor = open_lock(self.folder / "lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def open_lock(path: Path) -> int:
    """Open the file of a lock in a private directory; make a missing one. Follows no link."""
    try:
        return os.open(path, _LOCK, 0o600)
    except OSError as error:
        remedy = "move it away"
        raise ZedopsError(f"cannot use {path}: {error.strerror}; {remedy}") from error
