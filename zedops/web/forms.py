"""Forms: every one must carry the token of its session."""

from __future__ import annotations

import logging

from starlette.datastructures import FormData
from starlette.requests import Request

from zedops.errors import ZedopsError
from zedops.web.sessions import Session, who
from zedops.web.site import Site

log = logging.getLogger(__name__)

TOKEN, HEADER = "form_token", "X-Form-Token"


class NotAllowed(ZedopsError):
    """A form that may not be acted on."""


async def read_form(request: Request) -> tuple[FormData, Session]:
    """Read a form and its session. NotAllowed without the session's token."""
    site: Site = request.app.state.site
    session = who(request)
    form = await request.form(max_files=0, max_fields=2000)
    said = request.headers.get(HEADER) or str(form.get(TOKEN, ""))
    if session is None or not site.sessions.is_token(session, said):
        log.warning("refused %s %r: a form of another session", request.method, request.url.path)
        raise NotAllowed("the form is not of this session; load the page again")
    return form, session


async def read_act_form(request: Request) -> tuple[FormData, Session]:
    """Read a form that changes the fleet: git must know the person who sends it."""
    form, session = await read_form(request)
    if not session.person.is_known:
        log.warning("refused %s %r: a reader", request.method, request.url.path)
        raise NotAllowed("git does not know who you are, so you can only look; see `zedops web`")
    return form, session
