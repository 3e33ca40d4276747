"""The model of `web.oidc` in `zedops.yaml`: the OpenID provider that says who a person is."""

from __future__ import annotations

import ipaddress
from hashlib import sha256
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from zedops.spec.fields import Model

#: A scope or claim as RFC 6749, 3.3 allows it, without quotes.
_WORD = r"^[A-Za-z0-9:/._+-]{1,200}$"
_GROUP = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(pattern=_WORD)]


class OpenId(Model):
    """The provider, and what it says about groups. Its secret is never here."""

    issuer: str  #: exactly as the provider writes it in its tokens
    client_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
    #: Asked for besides `openid email profile`.
    scopes: tuple[Word, ...] = Field(default=(), strict=False)
    #: Only members of one of these groups may log in; any person if empty.
    groups: tuple[_GROUP, ...] = Field(default=(), strict=False)
    #: The claim with a person's groups.
    groups_claim: Word = "groups"

    @field_validator("issuer")
    @classmethod
    def _is_issuer(cls, issuer: str) -> str:
        if not is_safe(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
            fact = f"{issuer[:80]!r} is no address of an OpenID provider"
            raise ValueError(f"{fact}; write e.g. https://id.example.org, as its tokens name it")
        return issuer

    @property
    def mark(self) -> str:
        """Name provider and client in a session: another provider's sessions end."""
        return sha256(f"{self.issuer} {self.client_id}".encode()).hexdigest()[:16]


def is_safe(url: str) -> bool:
    """Say whether no other machine on the way can read or change what a URL gives."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError where it is none
    except ValueError:
        return False
    if not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
        return False
    name = parts.hostname or ""
    return bool(name) and (parts.scheme == "https" or (parts.scheme == "http" and _is_local(name)))


def _is_local(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
