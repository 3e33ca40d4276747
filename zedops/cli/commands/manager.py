"""`zedops manager`: the manager alone, for hosts on other machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zedops.bus.local import LocalBus
from zedops.cli.commands.doctor import findings
from zedops.cli.commands.up import TAKEN_OVER, ending, serving, tell
from zedops.cli.network_options import Network, Reach, network_options, reach
from zedops.cli.service_options import Running, running_options
from zedops.cli.upstream_options import Remote, find_fleet, mirrored, remote_options
from zedops.cli.web_options import Web, serving_page, web_options
from zedops.errors import ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.hub.hub import Hub
from zedops.manager.leadership import LeadershipLost
from zedops.manager.loop import Manager
from zedops.manager.metrics import Metrics
from zedops.system.logs import announce
from zedops.system.monitoring import new_registry
from zedops.system.shutdown import Ending

if TYPE_CHECKING:
    from zedops.bus.nats.lease import NatsLease


@click.command("manager")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@network_options
@remote_options
@running_options
@web_options
def manager_command(
    fleet: Path, network: Network, remote: Remote, running: Running, web: Web
) -> None:
    """Run a fleet's manager without an agent: it checks, merges and records pushes.

    With --advertise, hosts on other machines can join. On one machine `zedops up` runs manager and
    agent.

    \b
    zedops manager fleet.git --advertise tls://fleet.example:4222
    zedops host add attic       prints the command to run on that host

    With --nats several managers may run on one hub: one leads, the others stand by.
    """
    running.prepare()
    hub = find_fleet(fleet, remote)
    end = ending()
    name = hub.read_settings().name
    metrics = Metrics(new_registry())
    with reach(network, hub, name) as found, running.watched(metrics):
        bus = found.bus or LocalBus()
        if found.lease is None:
            _manage(Manager(hub, bus, metrics=metrics), found, remote, end, (web, fleet))
            return
        lease = found.lease(name)
        try:
            while not end.is_set():
                metrics.standing_by = True
                warm = _stand_by(hub, lease, end)
                metrics.standing_by = False
                if not end.is_set():
                    managing = Manager(hub, bus, lease, metrics)
                    _manage(managing, found, remote, end, (web, fleet), warm)
        finally:
            lease.close()


def _manage(
    manager: Manager, found: Reach, remote: Remote, end: Ending, page: tuple[Web, Path],
    warm: Fleet | None = None,
) -> None:
    """Manage until the end, or until another manager leads."""
    manager.on_commit = tell
    bus = found.bus or LocalBus()
    try:
        with (
            mirrored(manager, remote) as mirror,
            serving(manager, bus, found.enrolment, warm, mirror) as door,
            serving_page(page[0], manager.hub, door, page[1], findings),
        ):
            where = f"hosts reach it at {found.where}" if found.where else "no agent here"
            name = manager.ledger.settings.name
            text = f"fleet {name!r}: managing, {where}. Ctrl-C ends it."
            announce(text, "started", fleet=name)
            while not end.wait(0.5) and not manager.deposed.is_set():
                pass
    except LeadershipLost as error:
        click.echo(f"{error}", err=True)
    finally:
        bus.unserve()
    if manager.deposed.is_set() and found.lease is None:
        raise ZedopsError(TAKEN_OVER.format(manager.hub.path))


def _stand_by(hub: Hub, lease: NatsLease, end: Ending) -> Fleet | None:
    """Wait until this manager leads; meanwhile keep the fleet in memory up to date."""
    warm: Fleet | None = None
    told = False
    while not lease.wait(0.5) and not end.is_set():
        head = hub.head()
        if head is not None and (warm is None or warm.commit != head):
            warm = hub.read_fleet(head, warm)[0]
        if not told:
            text = f"another manager leads; standing by with {hub.path}. Ctrl-C ends it."
            announce(text, "standing-by")
            told = True
    return warm
