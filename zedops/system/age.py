"""Encryption of single values for one host's key, with age (https://age-encryption.org/v1).

The only module that imports pyrage. A sealed value contains its fleet, server and name: copied into
another definition, it does not open there. No error or other output repeats a value or a private
key.
"""

from __future__ import annotations

import base64
import binascii

#: The prefix of a sealed value in a definition.
PREFIX = "age:"


class DecryptFailed(ValueError):
    """A sealed value that this key does not open, or that has another purpose."""


def new_identity() -> str:
    """Make a private key."""
    from pyrage import x25519

    return str(x25519.Identity.generate())


def recipient_of(identity: str) -> str:
    """Name the public key of a private one. ValueError without the key in its words."""
    import pyrage

    try:
        return str(pyrage.x25519.Identity.from_str(identity).to_public())
    except pyrage.IdentityError:
        raise ValueError("not an age identity") from None


def seal(value: str, purpose: str, recipient: str) -> str:
    """Encrypt a value for a public key and one purpose: `fleet/server/NAME`."""
    import pyrage

    plain = f"{purpose}\n{value}".encode()
    try:
        sealed = pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(recipient)])
    except pyrage.RecipientError:
        raise ValueError(f"{recipient!r} is not an age recipient") from None
    return PREFIX + base64.b64encode(sealed).decode()


def unseal(sealed: str, purpose: str, identity: str) -> str:
    """Decrypt a value for one purpose. Raises Unopenable with the reason."""
    said, value = opened(sealed, identity)
    if said != purpose:
        raise DecryptFailed(f"it was encrypted for {said!r}, not for {purpose!r}")
    return value


def opened(sealed: str, identity: str) -> tuple[str, str]:
    """Decrypt a value; return its purpose and the value. Raises Unopenable with the reason."""
    import pyrage

    try:
        raw = base64.b64decode(sealed.removeprefix(PREFIX), validate=True)
        plain = pyrage.decrypt(raw, [pyrage.x25519.Identity.from_str(identity)])
        said, _, value = str(plain, "utf-8").partition("\n")
    except (pyrage.DecryptError, binascii.Error, UnicodeDecodeError):
        raise DecryptFailed("it was encrypted for another key than this host's") from None
    return said, value
