"""Logging in with a one-time link, and logging out. Other ways to log in belong beside it.

A link only shows a form, because programs that look at links would use it up; a script sends the
form at once.
"""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from zedops.web.forms import read_form
from zedops.web.pages import page
from zedops.web.site import Site

log = logging.getLogger(__name__)

_UNSAFE = (
    "this page is reached without TLS, so it takes no logins; put a reverse proxy with TLS before "
    "it and say its URL with --web-url, or reach it over an ssh tunnel"
)


def ask(request: Request) -> Response:
    """Say how to log in."""
    return page(request, "login.html", token="")


def offer(request: Request) -> Response:
    """Show a link's form."""
    return page(request, "login.html", token=request.path_params["token"])


def use(request: Request) -> Response:
    """Use a link up and begin a session."""
    site: Site = request.app.state.site
    if not site.place.takes_logins:
        return _no(request, 403, _UNSAFE)
    if site.tickets.is_limited:
        return _no(request, 429, "too many logins failed; wait a minute")
    person = site.tickets.use(request.path_params["token"])
    if person is None:
        return _no(request, 403, "this link was used, or is too old; `zedops web` prints another")
    answer = RedirectResponse("/", 303)
    site.sessions.begin(answer, person, "link")
    log.info("%s <%s> logged in with a link", person.name, person.email)
    return answer


async def leave(request: Request) -> Response:
    """End the session."""
    site: Site = request.app.state.site
    _, session = await read_form(request)
    answer = RedirectResponse("/login", 303)
    site.sessions.end(answer, session)
    return answer


def _no(request: Request, status: int, why: str) -> Response:
    peer = request.client.host if request.client else "?"
    log.warning("refused a login from %s: %s", peer, why)
    return PlainTextResponse(f"{why}\n", status)


ROUTES = [
    Route("/login", ask),
    Route("/login/{token}", offer, methods=["GET"]),
    Route("/login/{token}", use, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
]
