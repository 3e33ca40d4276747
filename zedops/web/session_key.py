"""The keys that sign sessions and share links. A new one ends all of them, in a running page, too.

The command line uses this without loading the page, so it imports the standard library only.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from zedops.system import files

#: The keys' names.
SESSIONS, SHARES = "key", "share-key"
_LEAST = 32


def change(folder: Path, name: str = SESSIONS) -> None:
    """Put a new key in the place of the old one; only the manager's user can read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write(folder / name, secrets.token_hex(_LEAST).encode(), 0o600)


class SessionKey:
    """A key as the disk has it now."""

    def __init__(self, folder: Path, name: str = SESSIONS) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder, self._name, self._seen, self._key = folder, name, (0, 0), b""

    def now(self) -> bytes:
        """Read the key if it changed; make one where there is none."""
        path = self._folder / self._name
        try:
            found = path.stat()
        except FileNotFoundError:
            change(self._folder, self._name)
            found = path.stat()
        if found.st_mode & 0o077:
            path.chmod(0o600)
        if (seen := (found.st_ino, found.st_mtime_ns)) != self._seen:
            self._key = files.read(path, 1024)
            if len(self._key) < _LEAST:  # damaged
                change(self._folder, self._name)
                return self.now()
            self._seen = seen
        return self._key
