"""What every request and every answer must have: a known Host, a session, no foreign Origin, a CSP.

One ASGI layer around the whole page, so that no route can forget a check. It refuses in one line
and logs that. Three ways lead past the session: the login, share links and the static files.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zedops.web import proxy_login
from zedops.web.place import Place
from zedops.web.proxy_login import NotBelieved
from zedops.web.rules import RuleBook, Rules
from zedops.web.sessions import Session, Sessions

log = logging.getLogger(__name__)

#: The largest form: a definition has at most 256 KiB, four times that when encoded.
MAX_BODY = 1 << 20
#: A form arrives within this time, on any network on which the page is of use.
_BODY_S = 30.0
#: Open requests of one person, above all streams: a tab has one or two.
_MOST_OPEN = 600
#: Paths that need no session.
OPEN = ("/login", "/static/", "/share/")
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


class Guard:
    """The layer around the page."""

    def __init__(self, app: ASGIApp, place: Place, sessions: Sessions, rules: RuleBook) -> None:
        self._app, self._place, self._sessions, self._rules = app, place, sessions, rules
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rules = await self._rules.now()
        self._place.follow(rules.web.url, plain_http=rules.web.plain_http)
        self._sessions.session_s, self._sessions.idle_s = rules.web.session, rules.web.idle
        request = HTTPConnection(scope)
        scope["zedops.rules"] = rules
        scope["zedops.source"] = proxy_login.source(request, rules.web)
        refused = self._refuse(request, rules)
        session: Session | None = scope.get("zedops.session")
        out = _Sealed(send, self._sessions, session, scope["path"])
        if refused is not None:
            await refused(scope, receive, out)
            return
        mark = session.id if session else ""
        self._open[mark] += 1
        try:
            await self._app(scope, _Bounded(receive), out)
        finally:
            self._open[mark] -= 1
            self._open += Counter()  # forgets those at zero

    def _refuse(self, request: HTTPConnection, rules: Rules) -> Response | None:
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
        try:
            session = self._sessions.read(request)
            if session is None or not rules.let_in(session, self._place.name):
                session = self._said_by_proxy(request, rules)
        except NotBelieved as error:
            return _no(request, 401, str(error))
        scope["zedops.session"] = session
        if path.startswith(OPEN):
            return None
        if session is None:
            return self._ask_in(request)
        if self._open[session.id] >= _MOST_OPEN:
            return _no(request, 429, "too many pages of yours are open at once")
        return None

    def _said_by_proxy(self, request: HTTPConnection, rules: Rules) -> Session | None:
        session = proxy_login.read(request, rules.web)
        return session if session is None or self._place.takes_logins else None

    def _ask_in(self, request: HTTPConnection) -> Response:
        headers, has_cookie = request.headers, self._sessions.cookie in request.cookies
        if request.scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate":
            return RedirectResponse("/login", 303)
        if has_cookie:
            return _no(request, 401, "this session ended, or is none; log in again")
        return _no(request, 401, "log in first: `zedops web` prints a link")


class _Sealed:
    """Sends an answer with the headers of every answer; cuts a stream off when its session ends."""

    def __init__(
        self, send: Send, sessions: Sessions, session: Session | None, path: str
    ) -> None:
        self._send, self._sessions, self._session = send, sessions, session
        self._path, self._is_over = path, False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for key, value in _HEADERS.items():
                headers.setdefault(key, value)
            headers.setdefault("Cache-Control", "no-store")
            self._renew(headers)
        elif message.get("more_body") and self._has_ended:
            self._is_over = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    @property
    def _has_ended(self) -> bool:
        return self._session is not None and not self._sessions.holds(self._session)

    def _renew(self, headers: MutableHeaders) -> None:
        """A page that a person asks for is activity; a stream that goes on is none."""
        if self._session is None or self._path.startswith(("/live", "/static/")):
            return
        made = Response()
        if "set-cookie" not in headers and self._sessions.renew(made, self._session):
            headers.append("set-cookie", made.headers["set-cookie"])


def _no(request: HTTPConnection, status: int, why: str) -> Response:
    method, path = request.scope["method"], request.scope["path"][:80]
    log.warning("refused %s %r from %s: %s", method, path, request.scope["zedops.source"], why)
    return PlainTextResponse(f"{why}\n", status)


class _Bounded:
    """Ends a request whose body grows past the limit without having said so, or does not come."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._read, self._is_whole = receive, 0, False

    async def __call__(self) -> Message:
        """Take the next message of the request."""
        if self._is_whole:  # what is left is the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout(_BODY_S):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self._read += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        return {"type": "http.disconnect"} if self._read > MAX_BODY else message
