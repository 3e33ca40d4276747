"""Opens values that a definition carries, encrypted for one server of this host.

A value for another server is never opened: a person may have copied it from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from zedops.errors import EngineFailed
from zedops.protocol.sync import DesiredServer
from zedops.system import age, files
from zedops_agent.host_key import HostKey


class SealedValues:
    """The encrypted values of one fleet; `home` is the agent's directory."""

    def __init__(self, fleet: str, home: Path, key: HostKey) -> None:
        self._fleet, self._home, self._key = fleet, home, key

    def open(self, want: DesiredServer, name: str, sealed: str) -> str:
        """Open a value that is sealed for this server's id; earlier releases sealed for its name.

        The first server that opens such a value keeps it. A later server of that name cannot.
        """
        try:
            purpose, value = age.opened(sealed, self._key.identity)
            by_id = f"{self._fleet}/{want.id}/{name}"
            by_name = f"{self._fleet}/{want.name}/{name}"
            if purpose == by_id:
                return value
            held = self._claimed(sealed, want.id if purpose == by_name else None)
            if held != want.id or not _is_alike(purpose, by_name):
                raise age.DecryptFailed(f"it was encrypted for {purpose!r}, not for {by_name!r}")
        except (ValueError, OSError) as error:
            remedy = f"run `zedops secret encrypt {want.name} {name}` again"
            raise EngineFailed(f"secret {name} cannot be opened: {error}; {remedy}") from None
        return value

    def _claimed(self, sealed: str, server_id: str | None) -> str | None:
        """Find the owner of a value that is sealed for a name; the first server claims it."""
        folder = self._home / "sealed"
        path = folder / hashlib.sha256(sealed.encode()).hexdigest()[:32]
        if server_id is not None and not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial = path.with_suffix(f".{server_id}")
            partial.write_text(server_id)
            with contextlib.suppress(FileExistsError):
                os.link(partial, path)  # only one can win
            partial.unlink()
        try:
            return files.read(path).decode()
        except FileNotFoundError:
            return None


def _is_alike(one: str, other: str) -> bool:
    """Say whether two purposes differ at most in the server's name; a rename changes that."""
    return one.split("/")[::2] == other.split("/")[::2]
