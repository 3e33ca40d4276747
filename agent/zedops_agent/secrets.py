"""The values of secrets on this host: files of the host's owner, and values in definitions.

`<root>/secrets/<fleet>/<id>/<NAME>` holds one value each, readable for this user only. A value
belongs to a server by its id, also after a change of its name, and ends with the purge of its data.
A value in `<root>/secrets/<fleet>/<server>/` is for the server that has this name on this host. The
next look moves it to the server's id; earlier releases kept values there. `sealed_values` opens
those that a definition carries. zedops writes no value into a message, a log line or a file, except
the files in memory (`secret_files`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from zedops.errors import EngineFailed, ZedopsError
from zedops.protocol.sync import DesiredServer
from zedops.system import files
from zedops_agent.host_key import HostKey
from zedops_agent.sealed_values import SealedValues

#: Every change writes this entry into the folder of values.
_CHANGED = ".changed"
_TRIES = 20

log = logging.getLogger(__name__)


class Secrets:
    """One fleet's secrets under a data root. Works without a running agent."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._fleet = fleet
        self._values = root / "secrets" / fleet
        self.key = HostKey(root / "agent" / fleet)
        self._sealed = SealedValues(fleet, root / "agent" / fleet, self.key)

    def prepare(self) -> None:
        """Make the key and the folders at the first start; only for the agent with the lock."""
        try:
            self._make_folders(self._values)
            self.key.prepare()
        except OSError as error:
            remedy = "put it back from a backup, or move it away and encrypt again"
            fact = f"{self.key.path} cannot be used: {error.strerror}"
            raise ZedopsError(f"{fact}; {remedy}") from error

    # --- values

    @property
    def folder(self) -> Path:
        """Give the folder of values; each change there also writes the entry `_CHANGED`."""
        return self._values

    def path(self, holder: str, name: str) -> Path:
        """Give a value's path. `holder` is a server's id, or a name that no server has yet."""
        return self._values / holder / name

    def bind(self, names: Mapping[str, str]) -> None:
        """Move values that are kept by server name to the servers' ids; `names`: id by name."""
        try:
            there = [each.name for each in self._values.iterdir() if each.name in names]
        except OSError:
            return
        for each in there:
            try:
                self._bind(names[each], each)
            except OSError as error:  # the server that needs a value says so; others go on
                log.warning("cannot take over secrets in %s: %s", self._values / each, error)

    def _bind(self, server_id: str, name: str) -> None:
        source, target = self._values / name, self._values / server_id
        with contextlib.suppress(FileNotFoundError):  # another thread was faster, or there is none
            found = [each for each in source.iterdir() if each.suffix != files.PARTIAL]
            if not found:
                return  # a person has just made it, and writes the first value next
            target.mkdir(mode=0o700, exist_ok=True)
            for each in found:
                each.replace(target / each.name)
            with contextlib.suppress(OSError):  # a value is being written there
                source.rmdir()

    def read_values(self, want: DesiredServer) -> dict[str, str]:
        """Read all secrets of a server; EngineFailed names a missing secret, and never a value."""
        sealed = want.definition.sealed_secrets
        return {
            name: self._sealed.open(want, name, sealed[name]) if name in sealed
            else self._read(want, name)
            for name in want.definition.secrets
        }

    def _read(self, want: DesiredServer, name: str) -> str:
        path = self.path(want.id, name)
        try:
            self._bind(want.id, want.name)
            text = files.read(path).decode()
        except FileNotFoundError as error:
            place = self.path(want.name, name)
            remedy = f"`zedops secret set {want.name} {name}` does"
            fact = f"secret {name} is not set; write it to {place}"
            raise EngineFailed(f"{fact}; {remedy}") from error
        except OSError as error:
            raise EngineFailed(f"secret {name}: {path}: {error.strerror}") from error
        except UnicodeDecodeError:  # the error's own text would show the value
            raise EngineFailed(f"secret {name}: {path} is not UTF-8 text") from None
        if "\0" in text:
            raise EngineFailed(f"secret {name}: {path} holds a NUL character, which nothing takes")
        return text.removesuffix("\n").removesuffix("\r")

    # --- change

    def fingerprint(self, want: DesiredServer) -> str | None:
        """Fingerprint the values on this host, with a key; empty without any, None: cannot look.

        A label keeps it, to recreate a container once for a new value. Sealed values need none:
        the definition's hash covers them.
        """
        names = want.definition.host_secrets
        if not names:
            return ""
        digest = hmac.new(self.key.identity.encode(), digestmod=hashlib.sha256)
        try:
            for name in sorted(names):
                value = hashlib.sha256(self._read(want, name).encode()).hexdigest()
                digest.update(f"{name} {value}\n".encode())
        except EngineFailed:
            return None
        return f"{self.key.short_id()}:{digest.hexdigest()[:20]}"

    # --- for commands

    def set(self, holder: str, name: str, value: str) -> Path:
        """Write a value, whole or not at all, for this user only."""
        path = self.path(holder, name)
        for _ in range(_TRIES):  # an agent may remove a name's folder when it finds it empty
            self._make_folders(self._values, path.parent)
            with contextlib.suppress(FileNotFoundError):
                files.write(path, f"{value}\n".encode())
                break
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        files.write(self._values / _CHANGED, b"")  # this new entry wakes the agent
        return path

    def _make_folders(self, *folders: Path) -> None:
        self._values.parent.parent.mkdir(parents=True, exist_ok=True)
        for each in (self._values.parent, *folders):  # `parents` gives no mode
            each.mkdir(mode=0o700, exist_ok=True)
            each.chmod(0o700)

    def keep(self, want: DesiredServer, values: Mapping[str, str]) -> None:
        """Keep the secrets of an adopted container; values that are set already stay."""
        self._bind(want.id, want.name)
        for name, value in values.items():
            if not self.path(want.id, name).exists():
                try:
                    self.set(want.id, name, value)
                except OSError as error:
                    place = self.path(want.id, name)
                    raise EngineFailed(f"cannot keep {place}: {error.strerror}") from error

    def forget(self, server_id: str) -> None:
        """Remove all values of a server, and nothing else; a purge of its data calls this."""
        try:
            shutil.rmtree(self._values / server_id)
        except FileNotFoundError:
            return
        except OSError as error:
            where = error.filename or self._values / server_id
            raise EngineFailed(f"cannot remove {where}: {error.strerror}") from error

    def remove(self, holder: str, name: str) -> bool:
        """Remove a value; False if there was none."""
        path = self.path(holder, name)
        if not path.is_file():
            return False
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return True

    def names(self) -> list[tuple[str, str]]:
        """List the set values: (a server's id, or a name that no server has yet; name)."""
        found = [each for each in self._values.glob("*/*") if each.suffix != files.PARTIAL]
        return sorted((each.parent.name, each.name) for each in found)


def is_stale(made_with: str, now: str | None) -> bool:
    """Say whether the values changed since zedops made the container; unknown means no.

    Both arguments are fingerprints. A container without the label, or with a label from a lost
    key, tells nothing.
    """
    if not now or now == made_with:
        return False
    key, colon, _ = now.partition(":")
    return made_with.startswith(f"{key}{colon}")
