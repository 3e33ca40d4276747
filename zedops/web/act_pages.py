"""Acts: a dialog with the diff, the forecast and the message; then a push like everybody's.

`GET /act` and `POST /act/preview` show what would be pushed, `POST /act` pushes it. Whatever the
hub refuses is shown in its own words, and nothing has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.clone.desk import Author, NotPushed
from zedops.errors import ZedopsError
from zedops.web import signing
from zedops.web.checks import secret_lines
from zedops.web.drafts import ADDS, Fields, draft
from zedops.web.forms import read_act_form
from zedops.web.pages import page
from zedops.web.site import Site
from zedops.web.unsigned import MustSign

log = logging.getLogger(__name__)

_MESSAGE_MAX = 2000


def show(request: Request) -> Response:
    """Show what a click would push."""
    return _preview(request, read_fields(request.query_params))


async def preview(request: Request) -> Response:
    """Show what a form would push, such as an edited definition."""
    form, _ = await read_act_form(request)
    return await run_in_threadpool(_preview, request, read_fields(form))


def _preview(request: Request, fields: Fields) -> Response:
    site: Site = request.app.state.site
    try:
        made = draft(site, fields)
    except ZedopsError as error:
        return _refused(request, fields, str(error).splitlines())
    return _answer(request, "_act.html", draft=made)


async def push(request: Request) -> Response:
    """Push what the person has seen."""
    form, session = await read_act_form(request)
    site: Site = request.app.state.site
    message, confirm = str(form.get("message", ""))[:_MESSAGE_MAX], str(form.get("confirm", ""))
    author = Author(session.person.name, session.person.email)

    def act() -> tuple[str, list[str]]:
        made = draft(site, read_fields(form))
        if made.asks_name and confirm != made.asks_name:
            fact = f"this removes the data of {made.asks_name}, and cannot be undone"
            raise NotPushed([f"{fact}; type its name to go on"])
        told = secret_lines(site, made.fields) if made.fields.verb in ADDS else []
        commit, lines = signing.push(
            request, made.act, author, made.fields.base, _plain(message), tuple(told)
        )
        return commit, [*lines, *told]

    try:
        commit, lines = await run_in_threadpool(act)
    except MustSign as error:
        return _answer(request, "_sign.html", pending=error.pending)
    except NotPushed as error:
        log.info("%s <%s>: refused: %s", author.name, author.email, error.lines[0])
        return _refused(request, read_fields(form), error.lines)
    except ZedopsError as error:
        return _refused(request, read_fields(form), str(error).splitlines())
    log.info("%s <%s> pushed %s with the page", author.name, author.email, commit[:7])
    fields = read_fields(form)
    return _answer(request, "_pushed.html", commit=commit, lines=lines,
                   servers=fields.servers, verb=fields.verb)


def history(request: Request) -> Response:
    """Show the newest changes of a server, each with a way back."""
    site: Site = request.app.state.site
    name = request.path_params["name"]
    entries = site.desk.history(name, 20)
    return page(request, "_history.html", entries=entries, name=name)


def _refused(request: Request, fields: Fields, lines: Sequence[str]) -> Response:
    """Say why nothing was changed; a form with the person's text leads back to it."""
    return _answer(request, "_refused.html", 409, lines=lines, fields=fields)


def _answer(request: Request, template: str, status: int = 200, **facts: object) -> Response:
    if request.headers.get("HX-Target") == "dialog":
        return page(request, "dialog.html", status, inner=template, **facts)
    return page(request, "act.html", status, inner=template, **facts)


def read_fields(said: FormData | QueryParams) -> Fields:
    """Read what a form or an address asks for."""

    def text(key: str, most: int = 300) -> str:
        return str(said.get(key, ""))[:most]

    servers = dict.fromkeys(str(each)[:300] for each in said.getlist("server"))
    return Fields(
        verb=text("verb"), servers=tuple(servers), data=text("data") or "keep",
        texts=tuple(str(each) for each in said.getlist("text")), commit=text("commit"),
        snapshot=text("snapshot"),
        base=text("base"), now=text("now"),
    )


def _plain(message: str) -> str:
    """Keep a message's text; lines that read like trailers of zedops would be refused."""
    return message.replace("\r\n", "\n").replace("\0", "")


ROUTES = [
    Route("/act", show, methods=["GET"]),
    Route("/act", push, methods=["POST"]),
    Route("/act/preview", preview, methods=["POST"]),
    Route("/servers/{name}/history", history),
]
