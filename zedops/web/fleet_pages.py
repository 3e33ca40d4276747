"""The fleet page, the page of one server, and the stream of changes of both."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.control import client
from zedops.queries import conversion
from zedops.queries.overview import ORDER, Filter, FleetRow, named, overview
from zedops.queries.rows import ServerDetail
from zedops.web import languages, timeline
from zedops.web.fleet_view import Change
from zedops.web.live import Event, packed
from zedops.web.pages import fragment, language, page
from zedops.web.site import Site
from zedops.web.terminal_pages import may_exec

_PING_S = 20
_STATUSES = frozenset(each.value for each in ORDER)


def fleet(request: Request) -> Response:
    """Show every server that the reader wants to see."""
    if when := request.query_params.get("at"):
        return timeline.fleet_at(request, when)
    site: Site = request.app.state.site
    view, wanted = site.view.now(), read_filter(request.query_params)
    template = "_fleet.html" if request.headers.get("HX-Target") == "fleet" else "fleet.html"
    return page(
        request, template, view=view, wanted=wanted, shown=overview(view.rows.values(), wanted),
        link=lambda **other: query(replace(wanted, **{"page": 1, **other})), statuses=ORDER,
        groups=request.query_params.get("group", ""),
    )


def read_filter(said: QueryParams) -> Filter:
    """Read a filter from a URL; what cannot be read does not narrow."""
    number = said.get("page", "1")
    return Filter(
        text=said.get("q", "")[:200],
        statuses=frozenset(said.getlist("status")) & _STATUSES,
        host=said.get("host", "")[:100], folder=said.get("folder", "")[:200],
        label=said.get("label", "")[:300], deleted=said.get("deleted") == "1",
        page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
    )


def query(wanted: Filter) -> list[tuple[str, str]]:
    """Write a filter for a URL; the inverse of `read_filter`."""
    pairs = [
        ("q", wanted.text), *(("status", each) for each in sorted(wanted.statuses)),
        ("host", wanted.host), ("folder", wanted.folder), ("label", wanted.label),
        ("deleted", "1" if wanted.deleted else ""),
        ("page", str(wanted.page) if wanted.page > 1 else ""),
    ]
    return [(key, value) for key, value in pairs if value]


def server(request: Request) -> Response:
    """Show one server."""
    if when := request.query_params.get("at"):
        return timeline.server_at(request, request.path_params["name"], when)
    site: Site = request.app.state.site
    view, name = site.view.now(), request.path_params["name"]
    row = named(view.rows.values(), name)
    if row is None:
        said = f"no server {name!r}; it may be renamed, or purged"
        return page(request, "problem.html", 404, said=said)
    said = client.ask_hub(site.hub, {"do": "show", "server": name}, lambda _: None)["row"]
    return page(request, "server.html", view=view, row=row, text=said["text"],
                detail=conversion.read(ServerDetail, said),
                may_exec=may_exec(request, row.path))


async def look(request: Request) -> Response:
    """Stream every change to one tab."""
    site: Site = request.app.state.site
    await run_in_threadpool(site.view.now)
    since = request.headers.get("Last-Event-ID") or request.query_params.get("since", "")
    lang = language(request)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for each in site.live.follow(since):
            yield ServerSentEvent(each.data_in(lang), event=each.kind, id=each.stamp)

    return EventSourceResponse(events(), ping=_PING_S)


def events(change: Change) -> list[Event]:
    """Say what a change means for open tabs; one text serves all readers of a language."""
    stamp, view = change.view.stamp, change.view
    made = [Event("row", "", stamp, _row_texts(each, view.silent)) for each in change.rows]
    made += [Event("gone", packed(key=each.key), stamp) for each in change.gone]
    summary = packed(silent=view.silent, trouble=view.trouble, commit=view.commit[:7])
    return [*made, Event("fleet", summary, stamp)]


def _row_texts(each: FleetRow, silent: tuple[str, ...]) -> Callable[[str], str]:
    """Render a row once for each language that a tab asks for. Holds the row, not the fleet."""

    @functools.cache
    def made(lang: str) -> str:
        html = fragment("_row.html", lang, row=each, silent=silent)
        return packed(key=each.key, status=each.status, html=html)

    made(languages.ENGLISH)  # here, in the thread that follows, and not in the event loop
    return made


ROUTES = [
    Route("/", fleet),
    Route("/servers/{name}", server),
    Route("/live", look),
]
