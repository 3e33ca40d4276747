"""The values of secrets on this host: files of its owner's, and the key that opens sealed ones.

`<root>/secrets/<fleet>/<server>/<NAME>` holds one value each, for this user only. The private key
(`age.key`) is made once and never leaves the host; `recipient` beside it is its public half. No
value gets into a message, a log line or any other file but those in memory (`files`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from pathlib import Path

from zedops import disk, sealing
from zedops.errors import EngineFailed, ZedopsError
from zedops.model import Definition

log = logging.getLogger(__name__)


class Secrets:
    """One fleet's secrets under a data root. Needs no agent that runs."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._fleet = fleet
        self._values = root / "secrets" / fleet
        self._home = root / "agent" / fleet
        self._key = ""

    # --- the host's key

    def prepare(self) -> None:
        """Have the key, made at the first start; only for the agent, which holds the lock.

        A damaged one is set aside: what was encrypted for it must be encrypted again.
        """
        path = self._home / "age.key"
        try:
            self._key = self._sound_key(path)
            if not self._key:
                self._key = sealing.new_identity()
                disk.write(path, f"{self._key}\n".encode())
            self._show(self._home / "recipient", sealing.recipient_of(self._key))
        except OSError as error:
            remedy = "put it back from a backup, or move it away and encrypt anew"
            raise ZedopsError(f"{path} cannot be used: {error.strerror}; {remedy}") from error

    def _sound_key(self, path: Path) -> str:
        """Read the key; empty where there is none, or where it was damaged and is set aside."""
        try:
            key = disk.read(path).decode().strip()
            sealing.recipient_of(key)
        except FileNotFoundError:
            return ""
        except (ValueError, IsADirectoryError):
            aside = disk.set_aside(path).name
            remedy = "put it back from a backup, or encrypt each value again"
            log.error("%s is damaged; set aside as %s, a new key is made; %s", path, aside, remedy)
            return ""
        return key

    def _show(self, path: Path, recipient: str) -> None:
        """Keep the public key where its owner can read it."""
        try:
            if disk.read(path).decode("ascii", "replace").strip() == recipient:
                return
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            disk.set_aside(path)
        disk.write(path, f"{recipient}\n".encode())

    def recipient(self) -> str:
        """Name the public key."""
        return sealing.recipient_of(self._key)

    # --- values

    def path(self, server: str, name: str) -> Path:
        """Say where a value is kept."""
        return self._values / server / name

    def read(self, server: str, definition: Definition) -> dict[str, str]:
        """Read all secrets of a server; EngineFailed names what is missing, and never a value."""
        sealed = definition.sealed_secrets
        return {
            name: self._open(server, name, sealed[name]) if name in sealed
            else self._read(server, name)
            for name in definition.secrets
        }

    def _read(self, server: str, name: str) -> str:
        path = self.path(server, name)
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError as error:
            remedy = f"`zedops secret set {server} {name}` does"
            raise EngineFailed(f"secret {name} is not set; write it to {path}; {remedy}") from error
        except OSError as error:
            raise EngineFailed(f"secret {name}: {path}: {error.strerror}") from error
        except UnicodeDecodeError:  # its own text would show what it could not read
            raise EngineFailed(f"secret {name}: {path} is not UTF-8 text") from None
        if "\0" in text:
            raise EngineFailed(f"secret {name}: {path} holds a NUL character, which nothing takes")
        return text.removesuffix("\n").removesuffix("\r")

    def _open(self, server: str, name: str, sealed: str) -> str:
        try:
            return sealing.unseal(sealed, f"{self._fleet}/{server}/{name}", self._key)
        except ValueError as error:
            remedy = f"run `zedops secret encrypt {server} {name}` anew"
            raise EngineFailed(f"secret {name} cannot be opened: {error}; {remedy}") from None

    # --- change

    def fingerprint(self, server: str, definition: Definition) -> str | None:
        """Fingerprint the values on this host, with a key; empty without any, None: cannot look.

        It is kept in a label, to recreate a container once for a new value. Sealed ones need none:
        they are part of the definition's hash.
        """
        if not definition.host_secrets:
            return ""
        digest = hmac.new(self._key.encode(), digestmod=hashlib.sha256)
        try:
            for name in sorted(definition.host_secrets):
                value = hashlib.sha256(self._read(server, name).encode()).hexdigest()
                digest.update(f"{name} {value}\n".encode())
        except EngineFailed:
            return None
        return f"{self._key_id()}:{digest.hexdigest()[:20]}"

    def _key_id(self) -> str:
        return hashlib.sha256(self.recipient().encode()).hexdigest()[:8]

    # --- what commands do

    def set(self, server: str, name: str, value: str) -> Path:
        """Write a value, whole or not at all, for this user only."""
        path = self.path(server, name)
        self._values.parent.parent.mkdir(parents=True, exist_ok=True)
        for each in (self._values.parent, self._values, path.parent):  # `parents` gives no mode
            each.mkdir(mode=0o700, exist_ok=True)
            each.chmod(0o700)
        disk.write(path, f"{value}\n".encode())
        return path

    def keep(self, server: str, values: Mapping[str, str]) -> None:
        """Keep what an adopted container was given, but for what is set already."""
        for name, value in values.items():
            if not self.path(server, name).exists():
                try:
                    self.set(server, name, value)
                except OSError as error:
                    place = self.path(server, name)
                    raise EngineFailed(f"cannot keep {place}: {error.strerror}") from error

    def remove(self, server: str, name: str) -> bool:
        """Remove a value; False if there was none."""
        path = self.path(server, name)
        if not path.is_file():
            return False
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return True

    def names(self) -> list[tuple[str, str]]:
        """List what is set: (server, name)."""
        found = [each for each in self._values.glob("*/*") if each.suffix != disk.PARTIAL]
        return sorted((each.parent.name, each.name) for each in found)


def is_stale(made_with: str, now: str | None) -> bool:
    """Say whether values are other ones than when a container was made; unknown is no.

    Both are fingerprints. One made before there was such a label, or with a key that is lost, tells
    nothing.
    """
    if not now or now == made_with:
        return False
    key, colon, _ = now.partition(":")
    return made_with.startswith(f"{key}{colon}")
