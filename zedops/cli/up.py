"""`zedops up`: manager and agent in one process."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from zedops.bus import Bus, Enrolment
from zedops.bus.local import LocalBus
from zedops.bus.switch import Switch
from zedops.cli.network import Network, network_options, reach
from zedops.cli.remote import Remote, find_fleet, mirrored, remote_options
from zedops.errors import UsageError
from zedops.fleet import Fleet
from zedops.manager.door import Door
from zedops.manager.loop import Manager
from zedops.manager.mirror import Mirror
from zedops.model import Settings
from zedops.places import default_data_root

DATA_ROOT = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    envvar="ZEDOPS_DATA_ROOT",
    help="Where worlds are kept. Default: /var/lib/zedops as root, else ~/.local/share/zedops.",
)

POLICY = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    envvar="ZEDOPS_POLICY",
    default=Path("/etc/zedops/agent.yaml"),
    show_default=True,
    help="What this host allows, whatever a fleet asks for.",
)


@click.command("up")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True), default=".")
@click.option("--host", help="This machine's name in the fleet. Default: its only host.")
@DATA_ROOT
@POLICY
@network_options
@remote_options
@click.option("-v", "--verbose", is_flag=True, help="Say each step.")
def up_command(
    fleet: Path, host: str | None, data_root: Path | None, policy: Path, network: Network,
    remote: Remote, verbose: bool,
) -> None:
    """Run a fleet on this machine: manager and agent in one, until Ctrl-C.

    Servers go on running afterwards; `zedops up` takes them over again. With --advertise hosts on
    other machines may join.

    \b
    zedops up fleet         a clone or a hub
    zedops up --upstream git@github.com:me/fleet.git
    """
    from zedops_agent.engine import Engine
    from zedops_agent.loop import Agent
    from zedops_agent.policy import PolicyFile

    prepare_logging(verbose=verbose)
    hub, local = find_fleet(fleet, remote), LocalBus()
    engine = Engine()
    with reach(network, hub, hub.read_settings().name) as found:
        bus = Switch(local, found.bus) if found.bus else local
        manager = Manager(hub, bus)
        manager.on_commit = tell
        with (
            mirrored(manager, remote) as mirror,
            serving(manager, bus, found.enrolment, mirror=mirror),
        ):
            settings = manager.ledger.settings
            name = _this_host(host, settings)
            root = (data_root or default_data_root()).absolute()
            agent = Agent(settings.name, name, engine, root, PolicyFile(policy.absolute()))
            agent.start(local.join(name, agent))
            count = sum(1 for _ in manager.ledger.fleet.servers())
            others = f" Other hosts reach it at {found.where}." if found.where else ""
            click.echo(
                f"fleet {settings.name!r}: {count} server{'' if count == 1 else 's'}, host {name}, "
                f"Docker Engine {engine.version()}.{others} Ctrl-C ends zedops, not the servers."
            )
            try:
                wait_for_end()
            finally:
                manager.ending = True
                agent.stop()


def _this_host(named: str | None, settings: Settings) -> str:
    name = named or settings.defaults.get("host")
    if named is None and len(settings.hosts) == 1:
        name = settings.hosts[0]
    if name not in settings.hosts:
        known = ", ".join(settings.hosts)
        raise UsageError(f"say which host this is with --host; the fleet has {known}")
    return str(name)


@contextlib.contextmanager
def serving(
    manager: Manager, bus: Bus, enrolment: Enrolment | None = None, warm: Fleet | None = None,
    mirror: Mirror | None = None,
) -> Iterator[None]:
    """Run a manager with its door open, and what keeps it together with its upstream.

    `warm` is the fleet, if it was read before.
    """
    manager.start(warm)
    door = Door(manager, bus, enrolment)
    if mirror:
        mirror.start()
    try:
        yield
    finally:
        door.close()
        manager.stop()
        if mirror:
            mirror.stop()  # after the manager's last commit, which it still pushes


def ending() -> threading.Event:
    """Make the event that Ctrl-C or a polite kill sets; a second one does not wait."""
    end = threading.Event()

    def said(*_: object) -> None:
        end.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        click.echo("\nending after the step in hand; servers go on running")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, said)
    return end


def wait_for_end() -> None:
    """Wait for Ctrl-C or a polite kill."""
    end = ending()
    while not end.wait(3600):
        pass


def tell(subject: str) -> None:
    """Show a state commit as it happens."""
    click.echo(f"{datetime.now().astimezone():%H:%M:%S}  {subject}")


def prepare_logging(*, verbose: bool) -> None:
    """Send what the loops say to the terminal."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
