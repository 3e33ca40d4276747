"""The suggestions of the palette, as the options of its list."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.queries.palette import suggest
from zedops.web import languages
from zedops.web.pages import MENU, language, may_act, page

_LONGEST = 100


def options(request: Request) -> Response:
    """List servers, acts and pages for what a person typed."""
    site = request.app.state.site
    text = request.query_params.get("q", "")[:_LONGEST]
    rows = site.view.now().rows.values()
    found = suggest(rows, MENU, text, may_act=may_act(request),
                    say=languages.sayer(language(request)))
    return page(request, "_palette.html", found=found)


ROUTES = [Route("/palette", options)]
