"""Forms: every one must carry the token of its session."""

from __future__ import annotations

import logging

from starlette.datastructures import FormData
from starlette.requests import Request

from zedops.errors import ZedopsError
from zedops.spec.settings import Right
from zedops.web.rules import may_push, rights_of
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
        raise _refusal(request, "the form is not of this session; load the page again")
    return form, session


async def read_act_form(
    request: Request, right: Right | None = None
) -> tuple[FormData, Session]:
    """Read a form that changes the fleet: its person must have a name for git, and a right.

    The gate judges each push. What is no push is judged here alone, and names its `right`.
    """
    form, session = await read_form(request)
    if not session.person.is_known:
        fact = "git does not know who you are, so you can only look"
        raise _refusal(request, f"{fact}; see `zedops web`")
    fact = ""
    if right is None and not may_push(request):
        fact = f"{session.person.email} may only look"
    elif right is not None and right not in rights_of(request):
        fact = f"{session.person.email} has not the right {right}"
    if fact:
        raise _refusal(request, f"{fact}; see `people:` in zedops.yaml")
    return form, session


def _refusal(request: Request, why: str) -> NotAllowed:
    method, path, source = request.method, request.url.path[:80], request.scope["zedops.source"]
    log.warning("refused %s %r from %s: %s", method, path, source, why)
    return NotAllowed(why)
