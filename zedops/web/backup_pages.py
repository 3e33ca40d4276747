"""The backups of one server: its snapshots, the curve of their sizes, and the way back to each.

The page of a server loads this part after itself: the answer of a repository takes a second.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.control import client
from zedops.queries import backups
from zedops.queries.conversion import read_all
from zedops.queries.output import SnapshotRow
from zedops.queries.overview import named
from zedops.web.pages import page
from zedops.web.site import Site

#: The size of the curve, in units of its picture.
_WIDTH, _HEIGHT = 640, 120
#: The page shows the newest ones; `zedops backups` lists all.
_MOST = 100


def snapshots(request: Request) -> Response:
    """Show the snapshots of a server, the newest first."""
    site: Site = request.app.state.site
    name = request.path_params["name"]
    row = named(site.view.now().rows.values(), name)
    if row is None:
        return page(request, "problem.html", 404, said=f"no server {name!r}")
    said = client.ask_hub(site.hub, {"do": "snapshots", "server": name}, lambda _: None)
    rows = read_all(SnapshotRow, said["rows"])
    points = backups.curve(rows, _WIDTH, _HEIGHT)
    inner = "_backups.html" if request.headers.get("HX-Request") else "backups.html"
    return page(
        request, inner, row=row, rows=rows[::-1][:_MOST], count=len(rows), silent=said["silent"],
        points=points, width=_WIDTH, height=_HEIGHT,
    )


ROUTES = [Route("/servers/{name}/backups", snapshots)]
