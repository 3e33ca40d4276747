"""Logging in with an OpenID provider: to the provider, and back with a code.

The way back comes from another site, so a cookie of its own (`Lax`) binds it to this browser. The
page after it begins the session on this site. There is no address to go on to, so none to forge.
"""

from __future__ import annotations

import logging
from base64 import urlsafe_b64encode
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from zedops.errors import ZedopsError
from zedops.spec.openid_settings import OpenId
from zedops.spec.settings import GROUP
from zedops.spec.web_settings import Login
from zedops.web.login_page import no, not_now
from zedops.web.openid import Asked
from zedops.web.openid_secret import read_secret
from zedops.web.pages import page
from zedops.web.rules import Rules
from zedops.web.site import Site
from zedops.web.tickets import clean
from zedops.web.webauthn import OPEN_S, NotProven

log = logging.getLogger(__name__)

_LOGIN = "oidc"
_MOST = 4096  #: characters of a code or state
#: Characters of all groups that a session keeps: a cookie holds 4 KB.
_MOST_GROUPS = 1500


def begin(request: Request) -> Response:
    """Send a person to the provider."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.OIDC)) is not None:
        return refused
    made = site.challenges.make(site.sessions, _LOGIN)
    try:
        settings = _settings(request)
        to = site.openids.address(settings, _asked(request, made["challenge"]))
    except ZedopsError as error:
        return no(request, 403, str(error))
    answer = RedirectResponse(to, 303)
    answer.set_cookie(_cookie(site), made["state"], max_age=int(OPEN_S), path="/", httponly=True,
                      secure=site.place.is_secure, samesite="lax")
    return answer


def finish(request: Request) -> Response:
    """Begin the session of the person whom the provider names."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.OIDC)) is not None:
        return refused
    rules: Rules = request.scope["zedops.rules"]
    try:
        settings, said = _settings(request), _said(request)
        sealed = request.cookies.get(_cookie(site), "")
        taken = site.challenges.take(site.sessions, _LOGIN, sealed)
        state = urlsafe_b64encode(taken).decode().rstrip("=")
        if not compare_digest(state.encode(), said.get("state", "").encode()):
            raise NotProven("this login was begun elsewhere; begin again on this page")
        if "error" in said:
            raise NotProven(f"the provider let no person in: {clean(said['error'])[:200]}")
        told = site.openids.person(settings, read_secret(site.folder, settings),
                                   _asked(request, state), said)
    except ZedopsError as error:
        return no(request, 403, " ".join(str(error).split()))
    groups = _named(told.groups, settings, rules)
    answer = page(request, "logged_in.html")
    site.sessions.begin(answer, told.person, Login.OIDC, groups, settings.mark)
    answer.delete_cookie(_cookie(site), path="/", secure=site.place.is_secure, samesite="lax")
    log.info("%s <%s> logged in with %s", told.person.name, told.person.email, settings.issuer)
    return answer


def _named(groups: tuple[str, ...], settings: OpenId, rules: Rules) -> tuple[str, ...]:
    """Keep the groups that the fleet names."""
    wanted = {*settings.groups, *(each.removeprefix(GROUP) for each in rules.people)}
    kept: list[str] = []
    for each in groups:
        if each in wanted and sum(map(len, kept)) + len(each) <= _MOST_GROUPS:
            kept.append(each)
    return tuple(kept)


def _settings(request: Request) -> OpenId:
    rules: Rules = request.scope["zedops.rules"]
    if rules.web.oidc is None:
        raise NotProven("the fleet names no OpenID provider")
    return rules.web.oidc


def _said(request: Request) -> dict[str, str]:
    said = request.query_params
    if any(len(said.getlist(key)) > 1 or len(said[key]) > _MOST for key in said):
        raise NotProven("the provider's answer cannot be read")
    return dict(said)


def _asked(request: Request, challenge: str) -> Asked:
    """Derive what a login is bound to from its challenge: the browser keeps no secret of it."""
    site: Site = request.app.state.site
    url = site.place.url or f"http://{request.headers['host']}"
    return Asked(challenge, site.sessions.derive("oidc nonce", challenge),
                 site.sessions.derive("oidc verifier", challenge), f"{url}/login/oidc/done")


def _cookie(site: Site) -> str:
    return f"{site.sessions.cookie}-oidc"


ROUTES = [
    Route("/login/oidc", begin, methods=["GET"]),
    Route("/login/oidc/done", finish, methods=["GET"]),
]
