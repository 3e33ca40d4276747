"""Logging in with a one-time link, and logging out. Other ways to log in belong beside it.

A link only shows a form, because programs that look at links would use it up; a script sends the
form at once.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from zedops.spec.web_settings import Login
from zedops.web.forms import read_form
from zedops.web.pages import page
from zedops.web.place import UNSAFE
from zedops.web.site import Site

log = logging.getLogger(__name__)


def ask(request: Request) -> Response:
    """Say how to log in."""
    site: Site = request.app.state.site
    unsafe = "" if site.place.takes_logins else UNSAFE
    ways = [] if unsafe else site.rules.last.web.logins
    token = request.path_params.get("token", "")
    oidc = site.rules.last.web.oidc
    provider = urlsplit(oidc.issuer).netloc if oidc else ""
    return page(request, "login.html", token=token, unsafe=unsafe, ways=ways, provider=provider)


def use(request: Request) -> Response:
    """Use a link up and begin a session."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.LINK)) is not None:
        return refused
    person = site.tickets.use(request.path_params["token"])
    if person is None:
        return no(request, 403, "this link was used, or is too old; `zedops web` prints another")
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


def not_now(request: Request, way: Login) -> Response | None:
    """Refuse a login on a page that takes none, or none of this way, or none from there for now."""
    site: Site = request.app.state.site
    if not site.place.takes_logins:
        return no(request, 403, UNSAFE)
    if way not in site.rules.last.web.logins:
        return no(request, 403, f"this page takes no login by {way}; see `web:` in zedops.yaml")
    if site.guesses.are_too_many(request.scope["zedops.source"]):
        return no(request, 429, "too many logins failed; wait a minute")
    return None


def no(request: Request, status: int, why: str) -> Response:
    """Refuse a login, in one line that is logged; failures count against further ones."""
    source = request.scope["zedops.source"]
    if status == 403:
        request.app.state.site.guesses.note(source)
    log.warning("refused a login from %s: %s", source, why)
    return PlainTextResponse(f"{why}\n", status)


ROUTES = [
    Route("/login", ask),
    Route("/login/{token}", ask, methods=["GET"]),
    Route("/login/{token}", use, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
]
