"""The connection to hosts on other machines: options shared by `up` and `manager`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from zedops.bus.interfaces import Bus, Enrolment
from zedops.errors import HostUnavailable, UsageError
from zedops.hub.hub import Hub

if TYPE_CHECKING:
    from zedops.bus.nats.lease import NatsLease

F = TypeVar("F", bound=Callable[..., Any])

_CONNECT_S = 15.0
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

#: Options for an existing NATS server.
SERVER_OPTIONS = (
    click.option(
        "--creds", type=click.Path(path_type=Path, exists=True),
        help="File with the user (.creds) for that server.",
    ),
    click.option(
        "--ca", type=click.Path(path_type=Path, exists=True),
        help="File with that server's certificate authority (PEM). Default: the system's.",
    ),
    click.option("--tls-first", is_flag=True, help="That server expects TLS before its greeting."),
)


@dataclass(frozen=True)
class Network:
    """The network options of a command line."""

    advertise: tuple[str, ...]
    listen: str | None
    nats: tuple[str, ...]
    creds: Path | None
    ca: Path | None
    tls_first: bool


@dataclass(frozen=True)
class Reach:
    """The bus to other machines, and the enrolment of hosts; all None for this machine alone."""

    bus: Bus | None = None
    enrolment: Enrolment | None = None
    where: str = ""
    #: Makes this manager's lease in the election among the managers of one fleet.
    lease: Callable[[str], NatsLease] | None = None


def network_options(command: F) -> F:
    """Give a command the options of `Network`, as one argument `network`."""

    @functools.wraps(command)
    def gathered(
        *args: Any, advertise: tuple[str, ...], listen: str | None, nats: tuple[str, ...],
        creds: Path | None, ca: Path | None, tls_first: bool, **kwargs: Any,
    ) -> Any:
        network = Network(advertise, listen, nats, creds, ca, tls_first)
        return command(*args, network=network, **kwargs)

    options = [
        click.option(
            "--advertise", multiple=True, metavar="tls://NAME:PORT",
            help="Serve hosts on other machines, which reach this one by NAME; repeat for several.",
        ),
        click.option(
            "--listen", metavar="ADDRESS:PORT",
            help="Where to listen for hosts. Default: every address, the first --advertise's port.",
        ),
        click.option(
            "--nats", multiple=True, metavar="URL", help="Use an existing NATS server.",
        ),
        *SERVER_OPTIONS,
    ]
    made: Any = gathered
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


@contextlib.contextmanager
def reach(network: Network, hub: Hub, fleet: str) -> Iterator[Reach]:
    """Open the connection to other machines, and close it afterwards."""
    if network.advertise and network.nats:
        raise UsageError("--advertise runs a NATS server and --nats uses another; choose one")
    if not network.advertise and not network.nats:
        yield Reach()
        return
    try:
        import zedops.bus.nats.network
    except ImportError as error:
        raise UsageError("hosts on other machines need: pip install 'zedops[nats]'") from error
    if network.nats:
        yield from _use(network)
        return
    address, port = _listen(network)
    folder = hub.runtime / "nats"
    hosting = zedops.bus.nats.network.Hosting(fleet, folder, network.advertise, address, port)
    try:
        yield Reach(hosting.bus, hosting, ", ".join(network.advertise))
    finally:
        hosting.close()


def warn_of_plain_text(urls: tuple[str, ...]) -> None:
    """Warn of NATS servers without TLS, except on this machine."""
    for each in urls:
        parts = urlsplit(each)
        if parts.scheme in ("nats", "ws") and parts.hostname not in _THIS_MACHINE:
            fact = f"{each} is not encrypted: others on the network can read and change messages"
            click.echo(f"warning: {fact}; use tls://", err=True)


def _use(network: Network) -> Iterator[Reach]:
    from zedops.bus.nats.agent import address
    from zedops.bus.nats.lease import NatsLease
    from zedops.bus.nats.manager import NatsBus

    warn_of_plain_text(network.nats)
    text = network.creds.read_text() if network.creds else None
    ca = network.ca.read_text() if network.ca else None
    bus = NatsBus(address(
        "manager", network.nats, text, ca, tls_first=network.tls_first
    ))
    try:
        if not bus.connection.wait_up(_CONNECT_S):
            trouble = bus.connection.trouble or "no answer"
            raise HostUnavailable(f"cannot reach {bus.connection.where}: {trouble}")
        connection = bus.connection
        lease = functools.partial(NatsLease, connection)
        yield Reach(bus, None, ", ".join(network.nats), lease)
    finally:
        bus.close()


def _listen(network: Network) -> tuple[str, int]:
    try:
        if network.listen is None:
            # a forwarded port may differ: then --listen names the local one
            return "0.0.0.0", urlsplit(network.advertise[0]).port or 4222  # noqa: S104
        parts = urlsplit(f"tls://{network.listen}")
        if parts.hostname is None:
            raise ValueError("no address")
        return parts.hostname, parts.port or 4222
    except ValueError as error:
        raise UsageError(f"--listen {network.listen}: {error}; write e.g. 0.0.0.0:4222") from error
