"""The model of `web:` in `zedops.yaml`: where browsers find the page, and who may log in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from zedops.spec.fields import Model, Seconds, one_of
from zedops.spec.openid_settings import OpenId

#: A field name of HTTP (RFC 9110, 5.1).
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
#: Longer sessions would outlive what people remember of a lost laptop.
_LONGEST_S = 90 * 86400.0
_SHORTEST_S = 60.0


class Login(StrEnum):
    """A way to log in."""

    LINK = "link"  #: a one-time link, which `zedops web` prints on the manager's machine
    PASSKEY = "passkey"  #: a key of `allowed_signers` that a browser holds
    PROXY = "proxy"  #: the headers of a reverse proxy
    OIDC = "oidc"  #: an OpenID provider


class Kind(StrEnum):
    """A reverse proxy, or its login service, whose headers are known."""

    AUTHELIA = "authelia"
    OAUTH2_PROXY = "oauth2-proxy"
    TAILSCALE = "tailscale"


#: The headers with the address and the name of a person. Sources: Authelia, "Trusted Header SSO";
#: oauth2-proxy, `--set-xauthrequest`; Tailscale, "Identity headers" of `tailscale serve`.
HEADERS: Mapping[Kind, tuple[str, str]] = {
    Kind.AUTHELIA: ("Remote-Email", "Remote-Name"),
    Kind.OAUTH2_PROXY: ("X-Forwarded-Email", "X-Forwarded-Preferred-Username"),
    Kind.TAILSCALE: ("Tailscale-User-Login", "Tailscale-User-Name"),
}


class Proxy(Model):
    """The reverse proxy whose word about a person counts."""

    #: Addresses or networks that its requests come from.
    addresses: tuple[str, ...] = Field(min_length=1, strict=False)
    kind: Annotated[Kind, one_of(Kind)] = Kind.AUTHELIA
    #: The headers, where they are not those of `kind`.
    email: Annotated[str, Field(pattern=_HEADER)] | None = None
    name: Annotated[str, Field(pattern=_HEADER)] | None = None

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for each in addresses:
            try:
                network = ipaddress.ip_network(each, strict=False)
            except ValueError:
                fact = f"{each!r} is neither an address nor a network"
                raise ValueError(f"{fact}; write e.g. 127.0.0.1 or 10.0.0.0/24") from None
            if network.prefixlen == 0:
                fact = f"{each} lets every machine say who it is"
                raise ValueError(f"{fact}; write the proxy's own address")
        return addresses

    @property
    def headers(self) -> tuple[str, str]:
        """Name the headers with the address and the name of a person."""
        email, name = HEADERS[self.kind]
        return self.email or email, self.name or name

    def is_at(self, address: str) -> bool:
        """Say whether an address is the proxy's."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in ipaddress.ip_network(each, strict=False) for each in self.addresses)


class WebSettings(Model):
    """`web:` in `zedops.yaml`."""

    url: str | None = None
    #: Take logins over plain HTTP from other machines, too.
    plain_http: bool = False
    proxy: Proxy | None = None
    oidc: OpenId | None = None
    logins: tuple[Annotated[Login, one_of(Login)], ...] = Field(
        default=(Login.LINK,), min_length=1, strict=False
    )
    #: How long a session lasts, at most and without a request.
    session: Seconds = 7 * 86400.0
    idle: Seconds = 86400.0

    @field_validator("url")
    @classmethod
    def _is_page(cls, url: str | None) -> str | None:
        return None if url is None else page_url(url)

    @field_validator("logins")
    @classmethod
    def _fit(cls, logins: tuple[Login, ...], info: ValidationInfo) -> tuple[Login, ...]:
        url, proxy = info.data.get("url"), info.data.get("proxy")
        if Login.PASSKEY in logins and "url" in info.data and not takes_passkeys(url or ""):
            fact = "browsers give passkeys to https pages and to localhost only"
            raise ValueError(f"{fact}; write `url: https://NAME`, or `url: http://localhost:8484`")
        if Login.PROXY in logins and "proxy" in info.data and proxy is None:
            fact = "the page does not know the proxy"
            raise ValueError(f"{fact}; write `proxy: {{addresses: [127.0.0.1], kind: authelia}}`")
        if Login.OIDC in logins and "oidc" in info.data and info.data["oidc"] is None:
            fact = "the page does not know the provider"
            raise ValueError(f"{fact}; write `oidc: {{issuer: https://…, client_id: zedops}}`")
        return logins

    @field_validator("session", "idle")
    @classmethod
    def _ends(cls, seconds: float) -> float:
        if not _SHORTEST_S <= seconds <= _LONGEST_S:
            raise ValueError("is no time for a session; write 1m to 90d")
        return seconds


def page_url(url: str) -> str:
    """Check the URL of a page without a path, and return it without a final slash."""
    try:
        parts = urlsplit(url)
        is_page = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # ValueError where it is none
    except ValueError:
        is_page = False
    if not is_page or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in url:
        shown = url[:80]
        fact = f"{shown!r} is no address of a page without a path"
        raise ValueError(f"{fact}; write e.g. https://fleet.example")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("the URL has blanks; remove them")
    return url.rstrip("/")


def takes_passkeys(url: str) -> bool:
    """Say whether browsers give passkeys to a page at this URL (W3C WebAuthn, secure contexts)."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return parts.scheme == "https" or name == "localhost"
    return False  # an address is no name that a passkey can belong to
