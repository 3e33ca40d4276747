"""The web page's options of `up` and `manager`, and its start beside the manager."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import click

from zedops.cli.service_options import read_address
from zedops.clone.checkout import setting
from zedops.errors import UsageError
from zedops.git.repository import Repository
from zedops.hub.hub import Hub
from zedops.manager.control_server import ControlServer
from zedops.queries.output import FindingRow
from zedops.system.logs import announce

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = "127.0.0.1:8484"
_PLAIN = (
    "other machines reach it without TLS, so it takes logins only where `web:` in zedops.yaml "
    "names an https URL, or says `plain_http: true`"
)
#: Turns the page off where a service or a test sets it in the environment.
_OFF = "off"


@dataclass(frozen=True)
class Web:
    """The web page's options of a command line."""

    address: tuple[str, int] | None  #: None: no page
    url: str | None


def web_options(command: F) -> F:
    """Give a command the options of `Web`, as one argument `web`."""

    @functools.wraps(command)
    def gathered(
        *args: Any, web_address: str, no_web: bool, web_url: str | None, **kwargs: Any
    ) -> Any:
        is_off = no_web or web_address == _OFF
        if web_url is not None:
            _check_url(web_url)
        address = None if is_off else read_address(web_address)
        return command(*args, web=Web(address, web_url), **kwargs)

    options = [
        click.option(
            "--web", "web_address", metavar="[ADDRESS:]PORT", default=DEFAULT, show_default=True,
            envvar="ZEDOPS_WEB", help="Serve the web page at this address; `off` for none.",
        ),
        click.option("--no-web", is_flag=True, help="Serve no web page."),
        click.option(
            "--web-url", metavar="URL", envvar="ZEDOPS_WEB_URL",
            help="How browsers reach the page, e.g. https://fleet.example behind a proxy.",
        ),
    ]
    made: Any = gathered
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


def _check_url(url: str) -> None:
    from zedops.spec.web_settings import page_url

    try:
        page_url(url)
    except ValueError as error:
        raise UsageError(f"--web-url: {error}") from error


@contextlib.contextmanager
def serving_page(
    web: Web, hub: Hub, door: ControlServer, place: Path,
    checkup: Callable[[Path], list[FindingRow]],
) -> Iterator[None]:
    """Serve the page of a hub; `place` is the directory whose git knows the person.

    A taken port is told, and the fleet goes on without a page.
    """
    if web.address is None:
        yield
        return
    from zedops.web.serve import WebServer, open_port
    from zedops.web.setup import Setup
    from zedops.web.tickets import Tickets

    try:
        listener = open_port(web.address)
    except UsageError as error:
        remedy = "serve it elsewhere with `--web 127.0.0.1:PORT`, or not with `--no-web`"
        announce(f"no web page: {error}; {remedy}", "web-missing")
        yield
        return
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    tickets = Tickets(f"http://{shown}:{port}", web.url)
    setup = Setup(hub.path, hub.upstream or str(hub.path.absolute()), hub.runtime / "web", web.url,
                  tickets, checkup)
    page = WebServer(listener, setup)
    door.web_link = tickets.link

    def share(by: str, server: str | None, for_s: float, url: str | None) -> str:
        from zedops.web.shares import Shares

        return f"{tickets.base(url)}{Shares(setup.folder).make(by, server, for_s)}"

    door.web_share = share
    try:
        if sys.stdout.isatty():
            link = tickets.link(*whoami(place))
            announce(f"web page, a link that works once: {link}", "web")
        else:  # a log is no place for a link that lets a reader in
            announce(f"web page: {tickets.url}; `zedops web` prints a link to log in", "web")
        if not ip_address(address).is_loopback and not tickets.url.startswith("https://"):
            announce(f"web page: {_PLAIN}", "web-plain")
        yield
    finally:
        page.close()


def whoami(place: Path) -> tuple[str, str]:
    """Ask git for the person's name and address; empty where it knows none."""
    repository = Repository(place)
    return setting(repository, "user.name"), setting(repository, "user.email")
