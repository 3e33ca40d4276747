"""Logging in with a passkey, making one, and letting one into the fleet.

The fleet keeps passkeys as lines of `allowed_signers`. Making one changes nothing: the page shows
its line, and a person with the right to settings adds it, by a commit.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zedops.clone.desk import Author
from zedops.clone.verbs import Act
from zedops.errors import UsageError, ZedopsError
from zedops.fleet import passkeys
from zedops.fleet.access import SSH_KEYS
from zedops.fleet.passkeys import Passkey
from zedops.spec.settings import Right
from zedops.spec.web_settings import Login
from zedops.web import signing, webauthn
from zedops.web.forms import read_act_form
from zedops.web.login_page import no, not_now
from zedops.web.pages import page
from zedops.web.rules import Rules
from zedops.web.site import Site
from zedops.web.tickets import Person
from zedops.web.unsigned import MustSign
from zedops.web.webauthn import NotProven

log = logging.getLogger(__name__)

_LOGIN, _NEW = "login", "new passkey"
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'+/=^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")
#: Characters that a line of `allowed_signers` or git gives a meaning.
_MEANT = re.compile(r"[\"'#\\<>\x00-\x1f\x7f]")


async def begin(request: Request) -> Response:
    """Give a challenge to sign."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.PASSKEY)) is not None:
        return refused
    made = site.challenges.make(site.sessions, _LOGIN)
    wanted = {"challenge": made["challenge"], "rpId": site.place.name,
              "userVerification": "required"}
    return JSONResponse({"state": made["state"], "publicKey": wanted})


async def finish(request: Request) -> Response:
    """Begin the session of the person whose passkey signed."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.PASSKEY)) is not None:
        return refused
    rules: Rules = request.scope["zedops.rules"]
    try:
        said = await _said(request)
        challenge = site.challenges.take(site.sessions, _LOGIN, str(said.get("state", "")))
        key = await run_in_threadpool(
            webauthn.find, said.get("credential", {}), challenge, site.place.name,
            request.headers["origin"], rules.passkeys,
        )
    except ZedopsError as error:
        return no(request, 403, str(error))
    answer = JSONResponse({"to": "/"})
    person = Person(key.name or key.email.partition("@")[0], key.email)
    site.sessions.begin(answer, person, Login.PASSKEY)
    log.info("%s <%s> logged in with a passkey", person.name, person.email)
    return answer


def show_new(request: Request) -> Response:
    """Show the page that makes a passkey."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.PASSKEY)) is not None:
        return refused
    return page(request, "passkey_new.html", place=site.place.name, url=site.place.url)


async def begin_new(request: Request) -> Response:
    """Say what key the browser is to make."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.PASSKEY)) is not None:
        return refused
    try:
        email, name = _person(await _said(request))
    except ZedopsError as error:
        return no(request, 403, str(error))
    made = site.challenges.make(site.sessions, _NEW)
    wanted = webauthn.wanted_new(email, name, site.place.name)
    return JSONResponse({"state": made["state"],
                         "publicKey": {**wanted, "challenge": made["challenge"]}})


async def finish_new(request: Request) -> Response:
    """Give the line of a new key."""
    site: Site = request.app.state.site
    if (refused := not_now(request, Login.PASSKEY)) is not None:
        return refused
    try:
        said = await _said(request)
        email, name = _person(said)
        challenge = site.challenges.take(site.sessions, _NEW, str(said.get("state", "")))
        point = webauthn.read_new(said.get("credential", {}), challenge, site.place.name,
                                  request.headers["origin"])
    except ZedopsError as error:
        return no(request, 403, str(error))
    return JSONResponse({"line": Passkey(email, point, site.place.name, name).line})


def show(request: Request) -> Response:
    """List the fleet's passkeys."""
    rules: Rules = request.scope["zedops.rules"]
    site: Site = request.app.state.site
    return page(request, "passkeys.html", keys=rules.passkeys, place=site.place.name)


async def add(request: Request) -> Response:
    """Let a passkey into the fleet, by a commit."""
    form, session = await read_act_form(request, Right.SETTINGS)
    site: Site = request.app.state.site
    author = Author(session.person.name, session.person.email)
    text = str(form.get("line", ""))[:2000]

    def push() -> tuple[str, list[str]]:
        found = passkeys.read(text.encode(), datetime.now(UTC))
        if len(found) != 1 or found[0].place != site.place.name:
            fact = "this is no line of one passkey for this page"
            raise UsageError(f"{fact}; copy the whole line from the page that made it")
        base = site.desk.tip()
        with site.desk.clone() as clone:
            now = clone.contents(base, [SSH_KEYS])[SSH_KEYS] or b""
        if now and not now.endswith(b"\n"):
            now += b"\n"
        act = Act(f"{SSH_KEYS}: add a passkey of {found[0].email}",
                  {SSH_KEYS: now + f"{found[0].line}\n".encode()})
        return signing.push(request, act, author, base, "")

    try:
        commit, lines = await run_in_threadpool(push)
    except MustSign as error:
        return page(request, "act.html", inner="_sign.html", pending=error.pending)
    except ZedopsError as error:
        return page(request, "act.html", 409, inner="_refused.html",
                    lines=str(error).splitlines())
    log.info("%s <%s> added a passkey, %s", author.name, author.email, commit[:7])
    return page(request, "act.html", inner="_pushed.html", commit=commit, lines=lines, servers=[])


async def _said(request: Request) -> dict[str, Any]:
    try:
        said = json.loads(await request.body())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("credential", {}), dict):
        raise NotProven("the request cannot be read; load the page again")
    return said


def _person(said: dict[str, Any]) -> tuple[str, str]:
    email = str(said.get("email", "")).strip()
    if not _EMAIL.fullmatch(email):
        raise UsageError("write the address that your commits have, such as ann@example.org")
    name = " ".join(_MEANT.sub("", str(said.get("name", ""))).split())[:100]
    return email, name


ROUTES = [
    Route("/login/passkey/begin", begin, methods=["POST"]),
    Route("/login/passkey/finish", finish, methods=["POST"]),
    Route("/login/passkey/new", show_new, methods=["GET"]),
    Route("/login/passkey/new/begin", begin_new, methods=["POST"]),
    Route("/login/passkey/new/finish", finish_new, methods=["POST"]),
    Route("/passkeys", show, methods=["GET"]),
    Route("/passkeys", add, methods=["POST"]),
]
