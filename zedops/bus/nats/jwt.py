"""NATS JWTs, version 2: grant each client its subjects. Pure, except for `new_seed`.

The operator signs accounts, accounts sign users. The fleet has one account. A *scoped* key signs
its hosts' users; the account holds that key's permissions as a template around the user's name. So
a host's JWT carries no rights of its own. zedops checks the name before it mints the JWT: a host
called `*` would get the rights of all.

Formats: https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt and the package
github.com/nats-io/jwt/v2, with which the server reads them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

import nkeys

from zedops.errors import ZedopsError
from zedops.spec.layout import NAME

_ALGORITHM = {"typ": "JWT", "alg": "ed25519-nkey"}
_UNLIMITED = {"subs": -1, "data": -1, "payload": -1}
#: A host may take this long to answer a call. The server refuses later answers, so this is longer
#: than any work that a call starts.
ANSWER_WITHIN_S = 900


class Role(IntEnum):
    """A key's purpose; the first byte of its public form."""

    #: signs accounts
    OPERATOR = nkeys.PREFIX_BYTE_OPERATOR
    #: signs users
    ACCOUNT = nkeys.PREFIX_BYTE_ACCOUNT
    #: connects
    USER = nkeys.PREFIX_BYTE_USER


@dataclass(frozen=True)
class Credentials:
    """A client's JWT and private key."""

    user_jwt: str
    seed: str = field(repr=False)

    @property
    def text(self) -> str:
        """Both in the form of a `.creds` file, as nats-py's `RawCredentials` takes it."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.user_jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n"
        )


# --- keys


def new_seed(role: Role) -> str:
    """Make a private key."""
    seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), role)
    return seed.decode()


def public_key(seed: str) -> str:
    """Derive a key's public form; ZedopsError if `seed` is not a private key."""
    return _public(_pair(seed))


def check_user_key(text: str) -> str:
    """Return `text` if it is a user's public key, or raise ZedopsError."""
    try:
        raw = base64.b32decode(text.encode())
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 35 or raw[0] != Role.USER or nkeys.crc16_checksum(raw[:-2]) != raw[-2:]:
        raise ZedopsError(f"{text[:80]!r} is not a user's public key; it begins with U, 56 letters")
    return text


def check_name(name: str) -> str:
    """Return `name` if a user may have it, or raise ZedopsError."""
    if not NAME.fullmatch(name):
        rule = "use lower-case letters, digits and '-', at most 63, no '-' first"
        raise ZedopsError(f"{name[:80]!r} cannot be a name; {rule}")
    return name


def check_host(name: str) -> str:
    """Return `name` if a host may have it, or raise ZedopsError."""
    # zed.d.all.> belongs to every host: documents of a host 'all' would go to all hosts
    if check_name(name) == "all":
        raise ZedopsError("no host can be called 'all', which means every host; choose another")
    return name


def subject(user_jwt: str) -> str:
    """Read a JWT's subject without checking its signature; ValueError if it is no JWT."""
    _, body, _ = user_jwt.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("not a JWT")
    return str(claims.get("sub"))


# --- tokens of the four levels


def operator(seed: str, system_account: str, now: datetime) -> str:
    """Mint the operator's own JWT, which names the system account."""
    body = {"type": "operator", "system_account": system_account}
    return _mint(seed, public_key(seed), "zedops", body, now)


def system_account(operator_seed: str, account: str, now: datetime) -> str:
    """Mint the account in which the server reports connections and their ends."""
    body = {"type": "account", "limits": _account_limits(storage=0)}
    return _mint(operator_seed, account, "system", body, now)


def fleet_account(
    operator_seed: str,
    account: str,
    scoped_key: str,
    revoked: Mapping[str, int],
    now: datetime,
) -> str:
    """Mint the fleet's account: JetStream for the manager, the hosts' template, revoked keys.

    `revoked` maps users' public keys to seconds since 1970: JWTs issued up to then are void.
    """
    body = {
        "type": "account",
        "limits": _account_limits(storage=-1),
        "signing_keys": [_host_scope(scoped_key)],
        "revocations": dict(sorted(revoked.items())),
    }
    return _mint(operator_seed, account, "fleet", body, now)


def host_user(scoped_seed: str, account: str, host: str, key: str, now: datetime) -> str:
    """Mint a host's user, with the template's rights for its name. It does not expire."""
    # the server refuses a scoped user that carries permissions or limits of its own
    body = {"type": "user", "issuer_account": account, "pub": {}, "sub": {}}
    return _mint(scoped_seed, check_user_key(key), check_host(host), body, now)


def manager_user(account_seed: str, key: str, now: datetime) -> str:
    """Mint the manager's user: every right within the fleet's account."""
    body = {"type": "user", "pub": {}, "sub": {}, **_UNLIMITED}
    return _mint(account_seed, check_user_key(key), "manager", body, now)


def joining_user(
    account_seed: str, token_id: str, key: str, now: datetime, expires: datetime
) -> str:
    """Mint the user of a token: it may ask to join and hear the answer only."""
    body = {
        "type": "user",
        "pub": {"allow": [f"zed.join.{check_name(token_id)}"]},
        "sub": {"allow": [f"_INBOX_join_{token_id}.>"]},
        **_UNLIMITED,
    }
    return _mint(account_seed, check_user_key(key), token_id, body, now, expires)


def presence_user(system_seed: str, account: str, key: str, now: datetime) -> str:
    """Mint the manager's user of the system account: it hears connections, and may not publish."""
    heard = [f"$SYS.ACCOUNT.{account}.CONNECT", f"$SYS.ACCOUNT.{account}.DISCONNECT"]
    body = {"type": "user", "pub": {"deny": [">"]}, "sub": {"allow": heard}, **_UNLIMITED}
    return _mint(system_seed, check_user_key(key), "presence", body, now)


# --- inside


def _host_scope(key: str) -> dict[str, Any]:
    return {
        "kind": "user_scope",
        "key": key,
        "role": "host",
        "template": {
            "pub": {"allow": ["zed.u.{{name()}}.>"]},
            "sub": {"allow": ["zed.d.{{name()}}.>", "zed.d.all.>", "_INBOX_{{name()}}.>"]},
            # one answer to each request, on the manager's reply subject
            "resp": {"max": 1, "ttl": ANSWER_WITHIN_S * 1_000_000_000},
            **_UNLIMITED,
        },
    }


def _account_limits(storage: int) -> dict[str, Any]:
    return {
        **_UNLIMITED,
        **dict.fromkeys(("imports", "exports", "conn", "leaf", "streams", "consumer"), -1),
        "wildcards": True,
        # JetStream is off in an account without storage
        "mem_storage": storage,
        "disk_storage": storage,
    }


def _mint(
    seed: str,
    subject: str,
    name: str,
    body: Mapping[str, Any],
    now: datetime,
    expires: datetime | None = None,
) -> str:
    pair = _pair(seed)
    claims: dict[str, Any] = {
        "iat": int(now.timestamp()),
        "iss": _public(pair),
        "name": name,
        "sub": subject,
        "nats": {**body, "version": 2},
    }
    if expires is not None:
        claims["exp"] = int(expires.timestamp())
    claims["jti"] = base64.b32encode(hashlib.sha256(_json(claims)).digest()).decode().rstrip("=")
    signed = f"{_base64(_json(_ALGORITHM))}.{_base64(_json(claims))}"
    return f"{signed}.{_base64(pair.sign(signed.encode()))}"


def _pair(seed: str) -> nkeys.KeyPair:
    try:
        return nkeys.from_seed(seed.encode())
    except (nkeys.NkeysError, ValueError) as error:
        raise ZedopsError("not a private key of NATS; it begins with S, 58 letters") from error


def _public(pair: nkeys.KeyPair) -> str:
    key: bytes = pair.public_key
    return key.decode()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
