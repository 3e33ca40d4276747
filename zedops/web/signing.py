"""Signs a commit with the person's passkey, in a fleet that requires signatures.

The page makes the commit and shows it; the browser signs its bytes; stock git verifies the result.
So the page cannot make a commit in a person's name.
"""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64decode
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zedops.clone.desk import Author
from zedops.clone.verbs import Act
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.passkeys import Passkey
from zedops.fleet.ssh_signature import Assertion, signed, to_sign
from zedops.web import webauthn
from zedops.web.forms import read_act_form
from zedops.web.rules import Rules
from zedops.web.sessions import who
from zedops.web.site import Site
from zedops.web.unsigned import MustSign
from zedops.web.webauthn import NotProven

log = logging.getLogger(__name__)

def keys_of(request: Request) -> tuple[Passkey, ...]:
    """List the passkeys of a request's person, in a fleet that wants signatures."""
    rules: Rules = request.scope["zedops.rules"]
    session, site = who(request), request.app.state.site
    if session is None or not rules.signed:
        return ()
    return tuple(each for each in rules.passkeys
                 if each.email == session.person.email and each.place == site.place.name)


def push(
    request: Request, act: Act, author: Author, base: str, message: str,
    told: tuple[str, ...] = (),
) -> tuple[str, list[str]]:
    """Push an act; MustSign in a fleet that wants the person's signature first.

    Every push of the page goes this way. `told` is shown after the push of a signed commit only.
    """
    site: Site = request.app.state.site
    session = who(request)
    if session is not None and keys_of(request):
        raw = site.desk.prepare(act, author, base, message)
        raise MustSign(site.unsigned.put(session.id, act, raw, told))
    return site.desk.push(act, author, base, message)


async def finish(request: Request) -> Response:
    """Push a commit with the signature that the browser made."""
    form, session = await read_act_form(request)
    site: Site = request.app.state.site

    def sign() -> tuple[str, list[str], tuple[str, ...]]:
        pending = site.unsigned.take(session.id, str(form.get("mark", "")))
        said, origin = _read(str(form.get("credential", ""))), request.headers["origin"]
        key = webauthn.find(said, to_sign(pending.raw), site.place.name, origin, keys_of(request))
        try:
            made = said["response"]
            assertion = Assertion(_bytes(made["authenticatorData"]), _bytes(made["clientDataJSON"]),
                                  _bytes(made["signature"]), origin)
            raw = signed(pending.raw, key, assertion)
        except (KeyError, TypeError, ValueError) as error:
            raise NotProven(f"the signature cannot be used: {error}") from error
        return *site.desk.push_raw(raw, pending.act.options), pending.told

    try:
        commit, lines, told = await run_in_threadpool(sign)
    except ZedopsError as error:
        log.warning("refused a signed commit of %s: %s", session.person.email,
                    str(error).partition("\n")[0])
        return JSONResponse({"refused": str(error)}, 409)
    log.info("%s pushed %s, signed with a passkey", session.person.email, commit[:7])
    return JSONResponse({"commit": commit[:12], "lines": [*lines, *told]})


def _read(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise UsageError("the signature cannot be read; begin again")
    return said


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


ROUTES = [Route("/act/sign", finish, methods=["POST"])]
