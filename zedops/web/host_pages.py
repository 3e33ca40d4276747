"""Pages about hosts: who answers, ports in use, orphans, what is wrong; and adding a host.

A page asks when it is opened, and hosts that do not answer are named with the reason.
"""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zedops.clone.checkout import REMOTE_MAIN
from zedops.clone.desk import Author
from zedops.clone.verbs import check_host, name_host
from zedops.control import client
from zedops.errors import ZedopsError
from zedops.queries.conversion import read_all
from zedops.queries.output import FindingRow, HostRow, OrphanRow, PortRow
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.quantities import format_duration
from zedops.spec.settings import Right
from zedops.web import signing
from zedops.web.forms import NotAllowed, read_act_form
from zedops.web.pages import MENU, page
from zedops.web.site import Site
from zedops.web.unsigned import MustSign

log = logging.getLogger(__name__)

#: A token to join with works for so long.
TOKEN_S = 3600.0
MENU += [("Hosts", "/hosts"), ("Ports", "/ports"), ("Orphans", "/orphans"), ("Doctor", "/doctor")]


def hosts(request: Request) -> Response:
    """List the hosts."""
    site: Site = request.app.state.site
    said = client.ask_hub(site.hub, {"do": "host-rows"}, lambda _: None)
    return page(request, "hosts.html", view=site.view.now(), rows=read_all(HostRow, said["rows"]),
                quiet=lambda seconds: "" if seconds is None else f"{format_duration(seconds)} ago")


async def add_host(request: Request) -> Response:
    """Name a host in the settings, and show its token, this once."""
    form, session = await read_act_form(request, Right.SETTINGS)
    site: Site = request.app.state.site
    name = str(form.get("name", ""))[:100].strip()
    author = Author(session.person.name, session.person.email)
    within = format_duration(TOKEN_S)

    def act() -> str:
        check_host(name)
        asked = {"do": "host-add", "host": name, "ttl_s": TOKEN_S}
        token = str(client.ask_hub(site.hub, asked, lambda _: None)["token"])
        told = (f"On {name}, within {within}, run this. It works once, and is shown only here:",
                f"zedops agent join {token}")
        # a token is shown after the push only: the hub says whether this person may do that
        if not _name(request, name, author, told) and session.how != "link":
            raise NotAllowed(f"{name} is in zedops.yaml already; use `zedops host add {name}`")
        return token

    try:
        token = await run_in_threadpool(act)
    except MustSign as error:
        return page(request, "act.html", inner="_sign.html", pending=error.pending)
    except ZedopsError as error:
        lines = str(error).splitlines()
        return page(request, "act.html", 409, inner="_refused.html", lines=lines)
    log.info("%s <%s> let host %s join, with the page", author.name, author.email, name)
    return page(request, "token.html", name=name, token=token, within=within)


def _name(request: Request, name: str, author: Author, told: tuple[str, ...]) -> bool:
    """Push the host's name; False if the settings have it already. `told` follows a signed push."""
    site: Site = request.app.state.site
    base = site.desk.tip()
    with site.desk.clone() as clone:
        settings = clone.settings()
        content = clone.contents(REMOTE_MAIN, [SETTINGS_PATH])[SETTINGS_PATH] or b""
    if name in settings.hosts:
        return False
    made = name_host(content, settings, name)
    signing.push(request, made, author, base, made.message, told)
    return True


def ports(request: Request) -> Response:
    """List the host ports in use."""
    site: Site = request.app.state.site
    said = client.ask_hub(site.hub, {"do": "ports", "host": None}, lambda _: None)
    return page(request, "ports.html", rows=read_all(PortRow, said["rows"]), silent=said["silent"])


def orphans(request: Request) -> Response:
    """List containers and data that no file of the fleet owns."""
    site: Site = request.app.state.site
    said = client.ask_hub(site.hub, {"do": "orphans", "host": None}, lambda _: None)
    rows = read_all(OrphanRow, said["rows"])
    return page(request, "orphans.html", rows=rows, silent=said["silent"])


def doctor(request: Request) -> Response:
    """Say what is wrong, with remedies."""
    site: Site = request.app.state.site
    found: list[FindingRow] = site.checkup(site.hub)
    return page(request, "doctor.html", rows=found)


ROUTES = [
    Route("/hosts", hosts, methods=["GET"]),
    Route("/hosts", add_host, methods=["POST"]),
    Route("/ports", ports),
    Route("/orphans", orphans),
    Route("/doctor", doctor),
]
