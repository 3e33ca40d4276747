"""The page behind a share link, and the form that makes one.

A link is no session: it opens this one page, which shows names, statuses, ports and times. Messages
may quote a log and definitions hold settings, so neither is on it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from zedops.errors import UsageError, ZedopsError
from zedops.queries.overview import Filter, overview
from zedops.spec.quantities import format_duration, parse_duration
from zedops.spec.settings import Right
from zedops.web.forms import read_act_form
from zedops.web.pages import MENU, page
from zedops.web.place import UNSAFE
from zedops.web.site import Site

log = logging.getLogger(__name__)

MENU += [("Share", "/share")]


def show(request: Request) -> Response:
    """Show what a link shares."""
    site: Site = request.app.state.site
    source = request.scope["zedops.source"]
    if not site.place.takes_logins:
        return PlainTextResponse(f"{UNSAFE}\n", 403)
    if site.guesses.are_too_many(source):
        return PlainTextResponse("too many links were wrong; wait a minute\n", 429)
    share = site.shares.read(request.path_params["word"])
    if share is None:
        site.guesses.note(source)
        why = "this share link has ended, was revoked, or is none"
        log.warning("refused a share link from %s: %s", source, why)
        return PlainTextResponse(f"{why}\n", 403)
    if site.shares.is_news(share, source):
        log.info("share link %s of %s is used from %s", share.id, share.by or "?", source)
    view = site.view.now()
    rows = [each for each in view.rows.values()
            if not each.is_deleted and share.server in (None, each.id)]
    number = request.query_params.get("page", "1")[:6]
    wanted = Filter(page=int(number) if number.isascii() and number.isdigit() else 1)
    answer = page(request, "share.html", view=view, shown=overview(rows, wanted), wanted=wanted,
                  ends=datetime.fromtimestamp(share.ends, UTC))
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def ask(request: Request) -> Response:
    """Show the form that makes a link."""
    return page(request, "share_new.html", link="", within="",
                server=request.query_params.get("server", "")[:100])


async def make(request: Request) -> Response:
    """Make a link. It is no commit, so the right to it is judged here."""
    form, session = await read_act_form(request, Right.SETTINGS)
    site: Site = request.app.state.site
    name, within = str(form.get("server", ""))[:100], str(form.get("for", ""))[:20]
    try:
        rows = (await run_in_threadpool(site.view.now)).rows.values()
        row = next((each for each in rows if each.name == name and not each.is_deleted), None)
        if name and (row is None or row.id is None):
            raise UsageError(f"no server {name!r}")
        for_s = parse_duration(within)
        path = site.shares.make(session.person.email, row.id if row else None, for_s)
    except (ZedopsError, ValueError) as error:
        return page(request, "problem.html", 409, said=str(error))
    log.info("%s <%s> made a share link of %s for %s", session.person.name, session.person.email,
             name or "all servers", format_duration(for_s))
    url = site.place.url or f"http://{request.headers['host']}"
    return page(request, "share_new.html", link=f"{url}{path}", within=format_duration(for_s),
                server=name)


ROUTES = [
    Route("/share", ask, methods=["GET"]),
    Route("/share", make, methods=["POST"]),
    Route("/share/{word}", show, methods=["GET"]),
]
