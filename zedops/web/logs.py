"""The logs page: lines of one server, or of several merged; its stream of new lines; a download."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from zedops.control import client
from zedops.errors import UsageError, ZedopsError
from zedops.protocol.log_lines import is_line_id
from zedops.queries.overview import named
from zedops.web import log_pages
from zedops.web.live import packed
from zedops.web.log_pages import MOST_SERVERS, Shown, Source, Wanted
from zedops.web.pages import fragment, language, page
from zedops.web.site import Site

_PING_S = 20
#: The most lines of a download; an Engine keeps fewer by its own settings.
_ALL = 10_000_000
_DOWNLOADS = threading.BoundedSemaphore(4)
_CHOICES = 500


def logs(request: Request) -> Response:
    """Show lines of logs."""
    site: Site = request.app.state.site
    try:
        sources = _sources(request)
    except UsageError as error:
        return page(request, "problem.html", 404, said=str(error))
    wanted = log_pages.read_wanted(request.query_params)
    if not sources:
        names = sorted(each.name for each in site.view.now().rows.values() if each.container)
        return page(request, "logs_choice.html", names=names[:_CHOICES], count=len(names))
    shown = log_pages.look(site.hub, sources, wanted)
    template = "_logs_page.html" if request.query_params.get("part") else "logs.html"
    return page(
        request, template, sources=sources, wanted=wanted, shown=shown,
        link=_link(sources, wanted),
        live_after=[("after", shown.last.get(each.name) or "-") for each in sources],
        is_live=not (wanted.search or wanted.before or wanted.line),
    )


def _link(sources: list[Source], wanted: Wanted) -> dict[str, list[tuple[str, str]]]:
    """Make the queries of the page's links: the same servers, with and without its search."""
    servers = [("server", each.name) for each in sources]
    search = [("q", wanted.search)] if wanted.search else []
    search += [("context", str(wanted.context))] if wanted.search and wanted.context else []
    return {"servers": servers, "search": [*servers, *search]}


async def live(request: Request) -> Response:
    """Stream new lines to one tab."""
    site: Site = request.app.state.site
    sources = await run_in_threadpool(_sources, request)
    said = request.headers.get("Last-Event-ID") or request.query_params.get("last")
    after = said.split("|") if said else request.query_params.getlist("after")
    after = [each if is_line_id(each) else "" for each in after]
    after = (after + [""] * len(sources))[:len(sources)]

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for pieces, stamp in site.tails.follow(site.hub, sources, after):
            for state in (each for each in pieces if isinstance(each, str)):
                yield ServerSentEvent(packed(said=state), event="state", id=stamp)
            lines = [each for each in pieces if not isinstance(each, str)]
            if lines:
                html = _html(lines, language(request), many=len(sources) > 1)
                yield ServerSentEvent(packed(html=html), event="lines", id=stamp)

    return EventSourceResponse(events(), ping=_PING_S)


def _html(lines: list[Shown | None], lang: str, *, many: bool) -> str:
    return fragment("_log_lines.html", lang, lines=lines, many=many, target="")


def download(request: Request) -> Response:
    """Send a server's whole log as text, as its host has it."""
    site: Site = request.app.state.site
    sources = _sources(request)
    if len(sources) != 1:
        raise UsageError("download the log of one server at a time")
    if not _DOWNLOADS.acquire(blocking=False):
        return PlainTextResponse("others download logs now; try again in a moment\n", 503)
    asked = {"kind": "logs", "server_id": sources[0].id, "tail": _ALL}
    name = f"{sources[0].name}.log"
    return StreamingResponse(
        _Download(client.streamed(site.hub, asked)), media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Download:
    """The pieces of a download; its place is free again when it ends or is dropped."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces, self._ended = pieces, False

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._pieces
        except ZedopsError as error:
            yield f"\n[zedops: {error}]\n"
        finally:
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            _DOWNLOADS.release()

    def __del__(self) -> None:
        self._end()


def _sources(request: Request) -> list[Source]:
    """Find the servers that a URL names. UsageError for unknown ones, and for too many."""
    site: Site = request.app.state.site
    names = list(dict.fromkeys(each for each in request.query_params.getlist("server") if each))
    if len(names) > MOST_SERVERS:
        raise UsageError(f"{len(names)} servers are too many; choose at most {MOST_SERVERS}")
    rows = site.view.now().rows.values()
    made = []
    for name in names:
        row = named(rows, name)
        if row is None:
            raise UsageError(f"no server {name[:100]!r}; it may be renamed, or purged")
        if row.id is None:
            raise UsageError(f"zedops has not taken {row.name} up yet; try again in a moment")
        made.append(Source(row.name, row.id))
    return made


ROUTES = [
    Route("/logs", logs),
    Route("/logs/live", live),
    Route("/logs/download", download),
]
