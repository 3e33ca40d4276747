"""The repositories of this host: its own, and those of the fleet, with their passwords.

The host's own is in the data root: `backups/<fleet>/repository`, its password in the file
`backups/<fleet>/password`. The password of another one is the file `PASSWORD` in
`secrets/<fleet>/backups.<name>`, beside the values of its `secrets`. A repository that was there
once is never made again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from zedops.spec.backup import OWN, Repository
from zedops.system import failpoints, files
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import Absent, ResticFailed, version
from zedops_agent.policy_file import PolicyFile

_PASSWORD = "PASSWORD"  # noqa: S105 - a file's name
_PRIVATE = 0o700
#: The time for which a repository that was looked at needs no second look.
_TRUSTED_S = 600.0


class Repositories:
    """Opens the repositories of one fleet on this host."""

    def __init__(self, root: Path, fleet: str, policy: PolicyFile) -> None:
        self._fleet, self.policy = fleet, policy
        self._secrets = root / "secrets" / fleet
        self._home = root / "backups" / fleet
        self._cache = self._home / "cache"
        #: When each repository was last seen to be the one of before, by name and address.
        self._seen: dict[tuple[str, str], float] = {}

    @property
    def own_path(self) -> Path:
        """Give the directory of the host's own repository."""
        return self._home / "repository"

    @property
    def password_path(self) -> Path:
        """Give the file with the password of the host's own repository."""
        return self._home / "password"

    def open(
        self, name: str, repository: Repository | None,
        ends: Callable[[], str | None] = lambda: None, *, makes: bool = True,
    ) -> Restic:
        """Open a repository, and make it at its first use. ResticFailed says what is wrong."""
        version()
        try:
            if name == OWN:
                opened = self._own(ends, makes=makes)
            else:
                opened = self._other(name, repository, ends)
            return self._known(name, opened, makes=makes)
        except OSError as error:
            fact = f"cannot use {error.filename or self._home}: {error.strerror}"
            raise ResticFailed(f"{fact}; see to its disk and mode") from error

    def require_password(self, name: str, repository: Repository | None) -> None:
        """Read the password and credentials of a repository, without asking it.

        Raises ResticFailed, Forbidden or OSError.
        """
        if name == OWN:
            self._own(lambda: None, makes=False)
        else:
            self._other(name, repository, lambda: None)

    def was_made(self, name: str) -> bool:
        """Say whether this host has used a repository before."""
        return self._memory(name).exists()

    def _own(self, ends: Callable[[], str | None], *, makes: bool) -> Restic:
        if not self.password_path.exists():
            if self._memory(OWN).exists() or (self.own_path / "config").exists():
                fact = f"{self.password_path} is gone, and without it no snapshot can be read"
                raise ResticFailed(f"{fact}; put the password back that you saved")
            if makes:
                for each in (self._home.parent, self._home):
                    each.mkdir(mode=_PRIVATE, exist_ok=True)
                files.write(self.password_path, f"{secrets.token_urlsafe(32)}\n".encode())
                failpoints.point("backup.keyed")
            else:
                raise Absent("this host has made no backup yet")
        word = files.read(self.password_path).decode().strip()
        return Restic(str(self.own_path), self._cache, {"RESTIC_PASSWORD": word}, ends)

    def _other(
        self, name: str, repository: Repository | None, ends: Callable[[], str | None]
    ) -> Restic:
        if repository is None:
            raise ResticFailed(f"repository {name!r} is not in zedops.yaml; add it to `backups:`")
        self.policy.check_repository(repository.address)
        word = self._value(name, _PASSWORD)
        values = {each: self._value(name, each) for each in repository.secrets}
        return Restic(repository.address, self._cache, {**values, "RESTIC_PASSWORD": word}, ends)

    def _value(self, name: str, key: str) -> str:
        path = self._secrets / f"backups.{name}" / key
        try:
            return files.read(path).decode().strip("\n")
        except FileNotFoundError as error:
            fact = f"{key} of repository {name!r} is not set on this host"
            raise ResticFailed(f"{fact}; write it to {path}, readable for root only") from error

    def _known(self, name: str, opened: Restic, *, makes: bool) -> Restic:
        """Check that it is the repository that was there before; make it at its first use."""
        key = (name, opened.address)
        if time.monotonic() - self._seen.get(key, -_TRUSTED_S) < _TRUSTED_S:
            return opened  # a look takes as long as the listing that follows
        memory = self._memory(name)
        before = self._remembered(memory, opened.address)
        marked = _mark(opened)
        if before and marked and marked == self._remembered(memory, opened.address, "mark"):
            self._seen[key] = time.monotonic()
            return opened
        try:
            found = opened.identity()
        except Absent as error:
            if before is not None:
                remedy = "is its disk mounted, its machine up? zedops makes no new one in its place"
                raise ResticFailed(f"{error}; it was there before: {remedy}") from error
            if not makes:
                raise
            if self._is_own(opened):
                self.own_path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            opened.init()
            failpoints.point("backup.repository")
            found = opened.identity()
        if before not in (None, found):
            remedy = f"if it is the right one, remove {memory}"
            raise ResticFailed(f"{opened.address} is another repository than before; {remedy}")
        marked = _mark(opened)
        if before is None or marked is not None:
            self._home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            said = {"address": opened.address, "id": found, "mark": marked or ""}
            files.write(memory, json.dumps(said).encode())
        self._seen[key] = time.monotonic()
        return opened

    def _is_own(self, opened: Restic) -> bool:
        return opened.address == str(self.own_path)

    def _memory(self, name: str) -> Path:
        return self._home / f"{name}.json"

    def _remembered(self, memory: Path, address: str, key: str = "id") -> str | None:
        try:
            said = json.loads(files.read(memory))
            found = said["id"] if key == "id" else said.get(key)
            return str(found) if found and said["address"] == address else None
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ResticFailed(f"{memory} is damaged; remove it") from error


def _mark(opened: Restic) -> str | None:
    """Mark a repository in a directory, with its password; None elsewhere, or if it is away.

    restic writes the file `config` once, with the repository's id, encrypted. So the same file and
    the same password need no restic, which takes half a second of CPU to open a repository.
    """
    if not opened.address.startswith("/"):
        return None
    try:
        config = (Path(opened.address) / "config").read_bytes()
    except OSError:
        return None
    word = opened.secrets["RESTIC_PASSWORD"].encode()
    return hmac.new(word, config, hashlib.sha256).hexdigest()
