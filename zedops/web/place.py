"""Where the page is reached: the names that a request may be for, and whether logins are safe."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

#: Why a page takes no logins.
UNSAFE = (
    "this page is reached without TLS, so it takes no logins; put a reverse proxy with TLS before "
    "it and name its URL (`web: {url: https://NAME}` in zedops.yaml), or use an ssh tunnel; "
    "`plain_http: true` there takes logins nevertheless"
)


class Place:
    """The page's address, and the URL that browsers know; `said` is the command line's URL."""

    def __init__(self, address: str, said: str | None) -> None:
        self.is_loopback = ipaddress.ip_address(address).is_loopback
        self._said = said
        self._takes_plain = False
        self.url = (said or "").rstrip("/")

    def follow(self, url: str | None, *, plain_http: bool) -> None:
        """Take over what the fleet says; the URL of the command line goes first."""
        self.url, self._takes_plain = (self._said or url or "").rstrip("/"), plain_http

    @property
    def is_secure(self) -> bool:
        """Say whether browsers reach the page over TLS."""
        return self.url.startswith("https://")

    @property
    def takes_logins(self) -> bool:
        """Say whether a session can be read by no other machine on the way."""
        if self.is_secure or self._takes_plain:
            return True
        return self.is_loopback and (not self.url or _is_local(urlsplit(self.url).netloc))

    @property
    def name(self) -> str:
        """Name the host that passkeys belong to."""
        return urlsplit(self.url).hostname or "localhost"

    def knows(self, host: str) -> bool:
        """Say whether a Host header names this page; others come from rebound DNS names."""
        own = urlsplit(self.url).netloc.lower()
        if own and host.lower() == own:
            return True
        if self.is_loopback:  # of every port: a tunnel may end at another one
            return _is_local(host)
        return not own and _is_address(host)

    def is_own(self, origin: str, host: str) -> bool:
        """Say whether an Origin header is of this page."""
        if self.url and origin.lower() == self.url.lower():
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_local(host: str) -> bool:
    name = _name(host)
    return name == "localhost" or (_is_address(host) and ipaddress.ip_address(name).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(_name(host))
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
