"""The timeline: changes with their results, what each changed, two moments compared, and the past
of the fleet and of a server. The desk's clone reads; one reader at a time, each bounded."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.clone import timeline
from zedops.control import client
from zedops.errors import UsageError
from zedops.queries.conversion import read_all
from zedops.queries.rows import ServerRow
from zedops.web.pages import page
from zedops.web.site import Site

COUNT = 40
#: A commit's id or a time. Other names of commits would let a URL choose how git searches.
_WHEN = re.compile(r"[0-9a-f]{4,64}|\d{4}-\d\d-\d\d([T ][\d:.]{1,16}(Z|[+-]\d\d:?\d\d)?)?")
_MOST_ROWS = 1000


def show(request: Request) -> Response:
    """Show the changes of the fleet, or of a server."""
    site: Site = request.app.state.site
    said = request.query_params
    server = said.get("server", "")[:300]
    before = _when(said["before"]) if said.get("before") else ""
    with site.desk.clone() as clone:
        found = timeline.entries(clone, server or None, COUNT + 1, before)
    return page(request, "timeline.html", server=server, entries=found[:COUNT],
                more=len(found) > COUNT, name=server)


def change(request: Request) -> Response:
    """Show what one commit changed."""
    site: Site = request.app.state.site
    with site.desk.clone() as clone:
        found = timeline.changed(clone, _when(request.path_params["commit"]))
    return page(request, "change.html", change=found, by_zedops=found.who == "zedops")


def compare(request: Request) -> Response:
    """Show how two moments differ."""
    site: Site = request.app.state.site
    said = request.query_params
    with site.desk.clone() as clone:
        found = timeline.between(clone, _when(said.get("old", "")), _when(said.get("new", "")))
    return page(request, "compare.html", found=found)


def fleet_at(request: Request, when: str) -> Response:
    """Show every server as it was at a moment."""
    site: Site = request.app.state.site
    moment, rows = _past(site, when)
    wanted = request.query_params.get("q", "")[:200].casefold()
    kept = [each for each in rows if wanted in f"{each.name} {each.status}".casefold()]
    return page(request, "fleet_at.html", moment=moment, rows=kept[:_MOST_ROWS], count=len(kept),
                text=wanted)


def server_at(request: Request, name: str, when: str) -> Response:
    """Show one server as it was at a moment."""
    site: Site = request.app.state.site
    moment, rows = _past(site, when)
    row = next((each for each in rows if each.name == name), None)
    if row is None:
        return page(request, "problem.html", 404, said=f"no server {name!r} at {moment.at}")
    with site.desk.clone() as clone:
        text = timeline.text_at(clone, moment.commit, row.path)
    return page(request, "server_at.html", moment=moment, row=row, text=text)


def _past(site: Site, when: str) -> tuple[timeline.Moment, list[ServerRow]]:
    with site.desk.clone() as clone:
        moment = timeline.find(clone, _when(when))
    asked = {"do": "list-at", "at": moment.commit, "buried": True}
    return moment, read_all(ServerRow, client.ask_hub(site.hub, asked, lambda _: None)["rows"])


def _when(text: str) -> str:
    """Accept a commit's id or a time. UsageError."""
    if not _WHEN.fullmatch(text):
        remedy = "write e.g. 3f2a1c9 or 2026-11-23T10:00"
        raise UsageError(f"{text[:80]!r} is neither a commit nor a time; {remedy}")
    return text


ROUTES = [
    Route("/timeline", show),
    Route("/timeline/compare", compare),
    Route("/timeline/{commit}", change),
]
