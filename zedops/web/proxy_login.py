"""Who a request is from by the headers of a reverse proxy, accepted from listed addresses only.

The proxy says it with each request, so there is nothing to begin or end here.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header
from hashlib import sha256

from starlette.requests import HTTPConnection

from zedops.spec.web_settings import Login, WebSettings
from zedops.web.sessions import PROXY, Session
from zedops.web.tickets import Person, clean

_FORWARDED = "x-forwarded-for"


class NotBelieved(Exception):
    """Headers of a login that do not come from the proxy, or say two things."""


def read(request: HTTPConnection, web: WebSettings) -> Session | None:
    """Read the session of a request from its headers; None without one. NotBelieved."""
    proxy = web.proxy
    if proxy is None or Login.PROXY not in web.logins:
        return None
    email_header, name_header = proxy.headers
    said = request.headers.getlist(email_header)
    if not said:
        return None
    peer = request.client.host if request.client else ""
    if not proxy.is_at(peer):
        raise NotBelieved(f"{email_header} comes from {peer}, which is not in web.proxy.addresses")
    if len(said) > 1:
        raise NotBelieved(f"{email_header} is there twice; let the proxy replace it")
    email = _plain(said[0])
    if not email:
        return None
    name = _plain(request.headers.get(name_header, "")) or email.partition("@")[0]
    mark = sha256(email.encode()).hexdigest()[:16]
    return Session(f"{PROXY}:{mark}", Person(name, email), PROXY)


def source(request: HTTPConnection, web: WebSettings) -> str:
    """Name the address that a request comes from, past the proxy."""
    peer = request.client.host if request.client else "?"
    if web.proxy is not None and web.proxy.is_at(peer):
        behind = ",".join(request.headers.getlist(_FORWARDED)).rpartition(",")[2].strip()
        return behind[:64] or peer
    return peer


def _plain(said: str) -> str:
    """Read a header's value as text: UTF-8, or encoded words as Tailscale sends them."""
    try:
        text = said.encode("latin-1").decode()
    except UnicodeDecodeError:
        text = said
    try:
        text = str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError):
        return ""
    return clean(text)
