"""What every request and every answer must have: a known Host, a session, no foreign Origin, a CSP.

One ASGI layer around the whole page, so that no route can forget a check. It refuses in one line
and logs that. Three ways lead past the session: the login, the static files, nothing else.
"""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zedops.web.sessions import Sessions

log = logging.getLogger(__name__)

#: The largest form.
MAX_BODY = 1 << 20
#: Paths that need no session.
OPEN = ("/login", "/static/")
_SAFE = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not `no-referrer`: browsers would then send `Origin: null` with every form
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}  # fmt: skip


class Place:
    """Where the page is reached: the names that a request's Host may have."""

    def __init__(self, address: str, url: str | None) -> None:
        self.url = (url or "").rstrip("/")
        self.is_loopback = ipaddress.ip_address(address).is_loopback
        self._name = (urlsplit(self.url).netloc or "").lower()

    @property
    def is_secure(self) -> bool:
        """Say whether browsers reach the page over TLS."""
        return self.url.startswith("https://")

    @property
    def takes_logins(self) -> bool:
        """Say whether a login is safe here: on this machine, or where a person said the URL."""
        return self.is_loopback or bool(self.url)

    def knows(self, host: str) -> bool:
        """Say whether a Host header names this page; others come from rebound DNS names."""
        if self._name:
            return host.lower() == self._name or self._is_local(host)
        return self._is_local(host) or (not self.is_loopback and _is_address(host))

    def _is_local(self, host: str) -> bool:
        """Accept every port: a tunnel may end at another one."""
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost":
            return self.is_loopback
        return self.is_loopback and _is_address(host) and ipaddress.ip_address(name).is_loopback

    def is_own(self, origin: str, host: str) -> bool:
        """Say whether an Origin header is of a page under the same Host, or of the page's URL."""
        if self.url and origin.lower() == self.url.lower():
            return True  # a proxy may send another Host
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


class Guard:
    """The layer around the page."""

    def __init__(self, app: ASGIApp, place: Place, sessions: Sessions) -> None:
        self._app, self._place, self._sessions = app, place, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for key, value in _HEADERS.items():
                    headers.setdefault(key, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refuse(HTTPConnection(scope))
        if refused is not None:
            await refused(scope, receive, sealed)
            return
        await self._app(scope, _Bounded(receive), sealed)

    def _refuse(self, request: HTTPConnection) -> Response | None:
        """Make the refusal of a request; None if it may pass."""
        scope, headers = request.scope, request.headers
        host, method, path = headers.get("host", ""), scope["method"], scope["path"]
        if not self._place.knows(host):
            return _no(request, 421, "this page does not answer to that host name")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return _no(request, 413, f"a form may have at most {MAX_BODY} bytes")
        if method not in _SAFE and not self._place.is_own(headers.get("origin", ""), host):
            return _no(request, 403, "the request comes from another page")
        scope["zedops.session"] = session = self._sessions.read(request)
        if path.startswith(OPEN):
            return None
        if session is not None:
            return None
        if method == "GET" and headers.get("sec-fetch-mode") == "navigate":
            return RedirectResponse("/login", 303)
        return _no(request, 401, "log in first: `zedops web` prints a link")


def _no(request: HTTPConnection, status: int, why: str) -> Response:
    peer = request.client.host if request.client else "?"
    method, path = request.scope["method"], request.scope["path"][:80]
    log.warning("refused %s %r from %s: %s", method, path, peer, why)
    return PlainTextResponse(f"{why}\n", status)


class _Bounded:
    """Ends a request whose body grows past the limit without having said so."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._read = receive, 0

    async def __call__(self) -> Message:
        """Take the next message of the request."""
        message = await self._receive()
        self._read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._read > MAX_BODY else message
