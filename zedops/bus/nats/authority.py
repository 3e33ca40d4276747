"""The authority of one fleet: keeps its keys and members, and writes the server's account files.

One private directory. `keys.json` and `ca-private.pem` are written once; `registry.json` changes.
The
other files derive from these three and are written again when they differ. So after kill -9 at any
point the next `open` completes the directory. A person with these three files controls the fleet.

Only the keys stay in memory. Each act takes the directory's lock, reads, writes, and only then
answers, so that several processes may act and no answer outruns the disk. A running server learns
of a change through `server.NatsServer.reload`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field, ValidationError

from zedops.bus.nats import certificates, jwt, registry
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.private_files import PrivateDirectory
from zedops.bus.nats.registry import HostRegistry, Member
from zedops.bus.nats.tokens import Token, host_of
from zedops.errors import ZedopsError
from zedops.spec.fields import Model, Utc
from zedops.system import failpoints
from zedops.system.ulid import new_id

_KEYS, _CA, _ROLL = "keys.json", "ca-private.pem", "roll.json"
_ACCOUNTS, _SERVER = "accounts.conf", "server-private.pem"


class Keys(Model):
    """Every private key except those of certificates; made together, once."""

    version: int = Field(default=1, le=1)
    #: the time in JWTs minted for the server, so that the same roll gives the same bytes
    made_at: Utc
    operator: str = Field(repr=False)
    system: str = Field(repr=False)
    account: str = Field(repr=False)
    #: signs the hosts' users
    scoped: str = Field(repr=False)
    manager: str = Field(repr=False)
    presence: str = Field(repr=False)


@dataclass(frozen=True)
class ServerFiles:
    """The files that a server reads. The certificate's file holds its key, too."""

    accounts: Path
    certificate: Path


class Authority:
    """Admits and removes hosts. Safe to use from many threads and processes."""

    def __init__(self, vault: PrivateDirectory, keys: Keys, ca: bytes) -> None:
        self._vault, self._keys, self._ca = vault, keys, ca
        self.folder = vault.folder
        #: the certificate that clients must trust, PEM
        self.ca_pem = certificates.public_part(ca)
        #: the fleet's account, as in `$SYS.ACCOUNT.<account>.DISCONNECT`
        self.account = jwt.public_key(keys.account)

    @classmethod
    def open(cls, folder: Path) -> Authority:
        """Open the authority in a directory; make missing files. ZedopsError if one is damaged."""
        vault = PrivateDirectory(folder)
        now = datetime.now(UTC)
        with vault.locked():
            raw = vault.read_file(_KEYS)
            if raw is None:
                raw = _new_keys(now).model_dump_json().encode()
                vault.write(_KEYS, raw)
                failpoints.point("authority.keys")
            ca = vault.read_file(_CA)
            if ca is None:
                ca = certificates.new_ca(now)
                vault.write(_CA, ca)
                failpoints.point("authority.ca")
            with _undamaged(folder / _KEYS):
                keys = Keys.model_validate_json(raw)
            with _undamaged(folder / _CA):
                opened = cls(vault, keys, ca)
            opened._read_roll()  # report a damaged roll now, not when a host joins
        return opened

    # --- for the server and the manager's connection

    def server_files(self, names: Sequence[str], now: datetime) -> ServerFiles:
        """Bring the server's files up to date; `names` are the server's names for hosts."""
        with self._vault.locked():
            self._write_accounts(self._read_roll())
            self._write_certificate(names, now)
        return ServerFiles(self.folder / _ACCOUNTS, self.folder / _SERVER)

    def write_config(self, name: str, content: bytes) -> None:
        """Write the server's own configuration beside the authority's files, which it includes."""
        with self._vault.locked():
            self._write_changed(name, content)

    def manager_credentials(self) -> Credentials:
        """Make the manager's credentials: all rights in the fleet's account."""
        seed = self._keys.manager
        key = jwt.public_key(seed)
        return Credentials(jwt.manager_user(self._keys.account, key, self._keys.made_at), seed)

    def presence_credentials(self) -> Credentials:
        """Make credentials to hear `$SYS.ACCOUNT.<account>.CONNECT` and `.DISCONNECT` only."""
        keys, seed = self._keys, self._keys.presence
        key = jwt.public_key(seed)
        return Credentials(jwt.presence_user(keys.system, self.account, key, keys.made_at), seed)

    # --- hosts

    def hosts(self) -> Mapping[str, Member]:
        """List the admitted hosts."""
        with self._vault.locked():
            return self._read_roll().hosts

    def new_token(self, host: str, now: datetime, ttl: timedelta, urls: Sequence[str]) -> str:
        """Make a token with which `host` may join, once, within `ttl`.

        `urls` are the server's addresses, `tls://name:port`. An unused token of the same host
        becomes void. A host that has joined stays in until the new token is used.
        """
        for url in urls:
            host_of(url)
        token_id = new_id(now.timestamp()).lower()
        expires = now + ttl
        seed = jwt.new_seed(Role.USER)
        key = jwt.public_key(seed)
        user_jwt = jwt.joining_user(self._keys.account, token_id, key, now, expires)
        token = Token(
            urls=tuple(urls), ca=self.ca_pem, id=token_id, host=jwt.check_host(host),
            user_jwt=user_jwt, seed=seed, expires=expires,
        )
        with self._vault.locked():
            self._write_roll(registry.offer(self._read_roll(), token_id, host, expires, now))
        return token.text

    def redeem(self, token_id: str, host: str, public_key: str, now: datetime) -> str:
        """Admit a host with its token; returns its user's JWT, or raises Refused.

        Reload the server afterwards: the host's earlier key is revoked.
        """
        with self._vault.locked():
            old = self._read_roll()
            new = registry.redeem(old, token_id, host, public_key, now)
            if new != old:
                self._put(new)
                failpoints.point("authority.redeemed")
            return self._user_jwt(host, new)

    def issue(self, host: str, public_key: str, now: datetime) -> str:
        """Admit a host without a token; returns its user's JWT. Reload the server afterwards."""
        with self._vault.locked():
            new = registry.enrol(self._read_roll(), jwt.check_host(host), public_key, now)
            self._put(new)
            return self._user_jwt(host, new)

    def revoke(self, host: str, now: datetime) -> bool:
        """Remove a host and its tokens. The server cuts the host off at its next reload.

        Returns False if the host neither joined nor has a token that still works.
        """
        with self._vault.locked():
            old = self._read_roll()
            self._put(registry.remove(old, host, now))
            return registry.knows(old, host, now)

    # --- inside; all of it under the lock

    def _user_jwt(self, host: str, held: HostRegistry) -> str:
        member = held.hosts[host]
        return jwt.host_user(
            self._keys.scoped, self.account, host, member.public_key, member.issued_at
        )

    def _put(self, new: HostRegistry) -> None:
        self._write_roll(new)
        failpoints.point("authority.roll")
        self._write_accounts(new)

    def _read_roll(self) -> HostRegistry:
        raw = self._vault.read_file(_ROLL)
        if raw is None:
            return HostRegistry()
        with _undamaged(self.folder / _ROLL):
            return HostRegistry.model_validate_json(raw)

    def _write_roll(self, new: HostRegistry) -> None:
        self._vault.write(_ROLL, new.model_dump_json(indent=1).encode())

    def _write_accounts(self, held: HostRegistry) -> None:
        keys, system = self._keys, jwt.public_key(self._keys.system)
        fleet = jwt.fleet_account(
            keys.operator, self.account, jwt.public_key(keys.scoped), held.revoked, keys.made_at
        )
        preload = {
            self.account: fleet,
            system: jwt.system_account(keys.operator, system, keys.made_at),
        }
        self._write_changed(_ACCOUNTS, "\n".join((
            "# written by zedops; edits are overwritten",
            f"operator: {jwt.operator(keys.operator, system, keys.made_at)}",
            f"system_account: {system}",
            "resolver: MEMORY",
            f"resolver_preload: {json.dumps(preload, indent=1)}",
            "",
        )).encode())

    def _write_certificate(self, names: Sequence[str], now: datetime) -> None:
        held = self._vault.read_file(_SERVER)
        # an unreadable certificate is replaced: no client keeps a copy of it
        with contextlib.suppress(ValueError):
            if held is not None and certificates.is_good(held, self._ca, names, now):
                return
        self._vault.write(_SERVER, certificates.new_server(self._ca, names, now))

    def _write_changed(self, name: str, content: bytes) -> None:
        if self._vault.read_file(name) != content:
            self._vault.write(name, content)


def _new_keys(now: datetime) -> Keys:
    user, account = Role.USER, Role.ACCOUNT
    return Keys(
        made_at=now.replace(microsecond=0),
        operator=jwt.new_seed(Role.OPERATOR),
        system=jwt.new_seed(account),
        account=jwt.new_seed(account),
        scoped=jwt.new_seed(account),
        manager=jwt.new_seed(user),
        presence=jwt.new_seed(user),
    )


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValidationError, ValueError, ZedopsError) as error:
        remedy = "restore it from a backup, or move the directory away and join all hosts again"
        raise ZedopsError(f"{path} is damaged, or of a newer zedops; {remedy}") from error
