"""The page as an ASGI application: its routes, gathered from one module per page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from zedops.clone.desk import Desk
from zedops.errors import ZedopsError
from zedops.web import (
    act_pages,
    backup_pages,
    edit_pages,
    fleet_pages,
    host_pages,
    login_page,
    logs,
    new_pages,
    openid_pages,
    pages,
    palette_pages,
    passkey_pages,
    share_pages,
    signing,
    terminal_pages,
    timeline,
)
from zedops.web.fleet_view import FleetView
from zedops.web.forms import NotAllowed
from zedops.web.guesses import Guesses
from zedops.web.headers import Guard
from zedops.web.live import Live
from zedops.web.place import Place
from zedops.web.rules import RuleBook
from zedops.web.sessions import Sessions
from zedops.web.setup import Setup
from zedops.web.shares import Shares
from zedops.web.site import Site
from zedops.web.terminals import Terminals

#: The modules with pages; each has `ROUTES`.
PAGES = (
    fleet_pages, act_pages, edit_pages, new_pages, backup_pages, host_pages, passkey_pages,
    openid_pages, login_page, logs, share_pages, signing, terminal_pages, timeline,
    palette_pages,
)
_STATIC = Path(__file__).parent / "static"


def make_site(setup: Setup, place: Place) -> Site:
    """Put together what the pages share."""
    live = Live(fleet_pages.events)
    sessions = Sessions(setup.folder, place)
    return Site(
        setup.hub, setup.folder, place, setup.tickets, sessions, RuleBook(setup.hub), Guesses(),
        live, FleetView(setup.hub, live.tell), Desk(setup.remote, setup.folder / "clone"),
        Shares(setup.folder), Terminals(setup.hub), setup.checkup,
    )


def make_app(site: Site) -> Starlette:
    """Make the application."""

    @contextlib.asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        site.live.open(asyncio.get_running_loop())
        yield

    app = Starlette(
        routes=[*(route for each in PAGES for route in each.ROUTES),
                Mount("/static", GZipMiddleware(_Static(directory=_STATIC)))],
        middleware=[Middleware(
            Guard, place=site.place, sessions=site.sessions, rules=site.rules,
        )],
        exception_handlers={NotAllowed: _refused, ZedopsError: _failed, 404: _not_found},
        lifespan=running,
    )
    app.state.site = site
    return app


class _Static(StaticFiles):
    """Static files, which browsers keep: their paths change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return PlainTextResponse(f"{error}\n", 403)


def _failed(request: Request, error: Exception) -> Response:
    return pages.page(request, "problem.html", 400, said=str(error))


def _not_found(request: Request, _: Exception) -> Response:
    return pages.page(request, "problem.html", 404, said="there is no such page")
