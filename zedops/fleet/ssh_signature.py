"""A passkey's signature of a commit, in the format that ssh and stock git verify. Pure.

Sources: OpenSSH, PROTOCOL.sshsig and PROTOCOL.u2f (webauthn signatures); gitformat-signature(5).
"""

from __future__ import annotations

import base64
import textwrap
from dataclasses import dataclass
from hashlib import sha512

from zedops.fleet.passkeys import Passkey, packed

_MAGIC, _VERSION = b"SSHSIG", (1).to_bytes(4, "big")
_KIND = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
_SCOPE = packed(b"git") + packed(b"") + packed(b"sha512")
#: Of the authenticator's data: the hash of the host name, one byte of flags, a counter.
_HASH, _FLAGS, _COUNTED = 32, 33, 37


@dataclass(frozen=True)
class Assertion:
    """What an authenticator signed, and its signature (W3C WebAuthn, 6.3.3)."""

    data: bytes
    client: bytes
    signature: bytes  #: DER
    origin: str


def to_sign(commit: bytes) -> bytes:
    """Give the bytes that a key signs for a raw commit: the challenge of the browser."""
    return _MAGIC + _SCOPE + packed(sha512(commit).digest())


def signed(commit: bytes, key: Passkey, made: Assertion) -> bytes:
    """Put a signature into a raw commit. ValueError where it is malformed."""
    r, s = _integers(made.signature)
    if len(made.data) < _COUNTED:
        raise ValueError("the authenticator's data is too short")
    signature = (
        packed(_KIND) + packed(packed(r) + packed(s)) + made.data[_HASH:_FLAGS]
        + made.data[_FLAGS:_COUNTED] + packed(made.origin.encode()) + packed(made.client)
        + packed(made.data[_COUNTED:])
    )
    whole = _MAGIC + _VERSION + packed(key.blob) + _SCOPE + packed(signature)
    lines = ["-----BEGIN SSH SIGNATURE-----",
             *textwrap.wrap(base64.b64encode(whole).decode(), 70), "-----END SSH SIGNATURE-----"]
    head, _, message = commit.partition(b"\n\n")
    return head + b"\ngpgsig " + "\n ".join(lines).encode() + b"\n\n" + message


def _integers(der: bytes) -> tuple[bytes, bytes]:
    """Read the two integers of an ECDSA signature; DER writes them as ssh does."""
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise ValueError("the signature is no ECDSA signature")
    size = der[3]
    r, rest = der[4 : 4 + size], der[4 + size :]
    if der[2] != 2 or len(rest) < 3 or rest[0] != 2 or rest[1] != len(rest) - 2:
        raise ValueError("the signature is no ECDSA signature")
    return r, rest[2:]
