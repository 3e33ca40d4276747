"""The page of a terminal, its output and its input. All three ask for the right `exec`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from zedops.errors import ZedopsError
from zedops.queries.overview import FleetRow, named
from zedops.spec.settings import Right
from zedops.web.forms import NotAllowed, read_form
from zedops.web.live import packed
from zedops.web.pages import page
from zedops.web.sessions import Session, who
from zedops.web.site import Site
from zedops.web.terminals import LOOK_S, Terminal

log = logging.getLogger(__name__)


def may_exec(request: Request, path: str) -> bool:
    """Say whether the person of a request may have a terminal of a server."""
    return bool(request.scope["zedops.rules"].may(who(request), Right.EXEC, path))


def show(request: Request) -> Response:
    """Show the page; its script opens the terminal."""
    row = _row(request)
    if row is None:
        return page(request, "problem.html", 404, said="no such server")
    if not may_exec(request, row.path):
        return page(request, "problem.html", 403, said=_refusal(request, row))
    return page(request, "terminal.html", row=row)


async def begin(request: Request) -> Response:
    """Open a terminal; its output is asked for next."""
    form, session = await read_form(request)
    site: Site = request.app.state.site
    row = await run_in_threadpool(_row, request)
    if row is None or row.id is None or not row.host or not row.container:
        return JSONResponse({"refused": "this server has no container now"}, 409)
    if not may_exec(request, row.path):
        raise NotAllowed(_refusal(request, row))
    person = session.person
    who_asks = f"{person.name} <{person.email}>"[:300]
    made = Terminal(session.id, who_asks, row.id, row.path, row.host,
                    _number(form.get("columns"), 80), _number(form.get("rows"), 24))
    try:
        site.terminals.add(made)
    except ZedopsError as error:
        return JSONResponse({"refused": str(error)}, 409)
    log.info("%s opens a terminal in %s", who_asks, row.name)
    return JSONResponse({"terminal": made.id})


async def output(request: Request) -> Response:
    """Stream a terminal's output to its tab."""
    site: Site = request.app.state.site
    session = who(request)
    if session is None:  # the guard lets no such request here
        raise NotAllowed("log in first")
    terminal = site.terminals.find(session.id, request.path_params["id"])

    async def events() -> AsyncIterator[ServerSentEvent]:
        try:
            async for piece in site.terminals.output(terminal):
                if not await _still(site, session, terminal):
                    yield ServerSentEvent(packed(said="you may not have it any more"), event="end")
                    return
                if piece is not None:
                    yield ServerSentEvent(packed(text=piece), event="text")
        except ZedopsError as error:
            yield ServerSentEvent(packed(said=str(error)), event="end")

    return EventSourceResponse(events(), ping=int(LOOK_S))


async def _still(site: Site, session: Session, terminal: Terminal) -> bool:
    rules = await site.rules.now()
    return (site.sessions.holds(session) and rules.let_in(session, site.place.name)
            and rules.may(session, Right.EXEC, terminal.path))


async def typed(request: Request) -> Response:
    """Take input of a terminal."""
    form, session = await read_form(request)
    site: Site = request.app.state.site
    try:
        terminal = site.terminals.find(session.id, request.path_params["id"])
        if not may_exec(request, terminal.path):
            raise NotAllowed("you may not have this terminal any more")
        size = None
        if form.get("columns"):
            size = _number(form.get("columns"), 80), _number(form.get("rows"), 24)
        text, number = str(form.get("data", "")), _number(form.get("number"), 1, 1 << 40)
        await site.terminals.type(terminal, number, text, size)
    except NotAllowed:
        raise
    except ZedopsError as error:
        return JSONResponse({"refused": str(error)}, 409)
    return JSONResponse({})


def _row(request: Request) -> FleetRow | None:
    site: Site = request.app.state.site
    found = named(site.view.now().rows.values(), request.path_params["name"])
    return None if found is None or found.is_deleted else found


def _refusal(request: Request, row: FleetRow) -> str:
    session = who(request)
    person = session.person.email if session else ""
    log.warning("refused a terminal in %s to %s from %s", row.name, person or "?",
                request.scope["zedops.source"])
    return f"{person or 'this person'} has not the right exec here; see `people:` in zedops.yaml"


def _number(said: object, usual: int, most: int = 1000) -> int:
    text = str(said or "")
    return max(1, min(int(text), most)) if text.isascii() and text.isdigit() else usual


ROUTES = [
    Route("/servers/{name}/terminal", show, methods=["GET"]),
    Route("/servers/{name}/terminal", begin, methods=["POST"]),
    Route("/terminals/{id}/out", output, methods=["GET"]),
    Route("/terminals/{id}/in", typed, methods=["POST"]),
]
