"""The data root's own identity: a disk that is not mounted leaves an empty directory in its place.

`servers/.zedops-root.json` carries a number that zedops draws once. A root that loses it, or shows
another one, is gone: zedops makes and starts nothing until it is back. A root without a number is
new only without evidence of use: no server of the document has data there, and no container has
mounted a directory of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from zedops.errors import RootGone, RootUnseen
from zedops.system import files
from zedops.system.ulid import new_id
from zedops_agent.volumes import trouble

MARKER = ".zedops-root.json"
PRIVATE = 0o700
#: Other users may pass through, but not list or write: a hub may lie below the same directory.
_PASSED = 0o711
_OWN = {"servers", "agent", "secrets", "backups"}
_MOST = 1 << 12


class Root:
    """One data root. `was_used` says why an unmarked root cannot be new; None: it can be."""

    def __init__(self, path: Path, was_used: Callable[[], str | None] = lambda: None) -> None:
        self.path = path
        self.was_used = was_used
        self._servers = path / "servers"
        self._known: str | None = None  #: the marker's number at the first look
        self._inode: tuple[int, int] | None = None  #: of `servers` at the last good look
        self._marking = threading.Lock()

    def require(self) -> None:
        """Check that the root is the former one. Raises RootGone with the difference.

        Marks a new root, and a root of an earlier release, which has servers and no marker.
        """
        marker, inode = self._look()
        if marker:
            if self._known not in (None, marker):
                raise self._gone(f"{self.path} is another data root than before")
            self._known, self._inode = marker, inode
            return
        with self._marking:
            marker, inode = self._look()
            if not marker:
                self._mark(inode, told=marker is not None)
        self.require()

    def _mark(self, inode: tuple[int, int] | None, *, told: bool) -> None:
        """Mark the root; `told`: a person put an empty marker there, because the disk is lost."""
        same = told or (inode is not None and inode == self._inode)
        if not same and self._known is not None:
            raise self._gone(f"{self.path} is empty, or another directory than before")
        if not same and not self._holds_servers() and (why := self.was_used()) is not None:
            raise self._gone(f"{self.path} is empty, but {why}")
        self._known = self._known or new_id(0.0)
        try:
            self._servers.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            files.write(self._servers / MARKER, json.dumps({"root": self._known}).encode())
        except OSError as error:
            self._known = None
            raise RootUnseen(f"cannot mark {trouble(self._servers, error)}") from error

    def _look(self) -> tuple[str | None, tuple[int, int] | None]:
        """Read the marker and the inode of its directory. Raises RootUnseen."""
        try:
            status = self._servers.stat()
            content = files.read_regular(self._servers / MARKER, _MOST)
            said = json.loads(content) if content.strip() else {"root": ""}
            return str(said["root"]), (status.st_dev, status.st_ino)
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                status = self._servers.stat()
                return None, (status.st_dev, status.st_ino)
            return None, None
        except (ValueError, KeyError, TypeError) as error:
            fact = f"{self._servers / MARKER} is damaged"
            raise RootGone(f"{fact}; remove it if {self.path} is the right directory") from error
        except OSError as error:
            raise RootUnseen(trouble(self._servers, error)) from error

    def _holds_servers(self) -> bool:
        with contextlib.suppress(OSError), os.scandir(self._servers) as entries:
            return any(not each.name.startswith(".") for each in entries)
        return False

    def _gone(self, fact: str) -> RootGone:
        remedy = "is its disk mounted? zedops starts nothing until it is back"
        return RootGone(f"data root: {fact}; {remedy}")

    def close_to_others(self) -> None:
        """Keep other users of the host out of worlds; close directories of an earlier release.

        A mode that this user cannot change stays: `zedops doctor` names it.
        """
        with contextlib.suppress(OSError):
            alone = all(
                each.name in _OWN or each.name.startswith(".") for each in self.path.iterdir()
            )
            _set_mode(self.path, PRIVATE if alone else _PASSED)
        with contextlib.suppress(OSError):
            _set_mode(self._servers, PRIVATE)
            for home in self._servers.iterdir():
                if not home.name.startswith("."):
                    with contextlib.suppress(OSError):
                        _set_mode(home, PRIVATE)


def _set_mode(path: Path, mode: int) -> None:
    """Set a directory's mode, and follow no link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
