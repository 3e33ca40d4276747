"""`zedops manager`: the manager alone, for hosts on other machines."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.bus.local import LocalBus
from zedops.cli.network import Network, network_options, reach
from zedops.cli.remote import Remote, find_fleet, mirrored, remote_options
from zedops.cli.up import prepare_logging, serving, tell, wait_for_end
from zedops.manager.loop import Manager


@click.command("manager")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True), default=".")
@network_options
@remote_options
@click.option("-v", "--verbose", is_flag=True, help="Say each step.")
def manager_command(fleet: Path, network: Network, remote: Remote, verbose: bool) -> None:
    """Run a fleet's manager without an agent: pushes are checked, merged and recorded.

    With --advertise hosts join it from elsewhere; on one machine `zedops up` runs both.

    \b
    zedops manager fleet.git --advertise tls://fleet.example:4222
    zedops host add attic       prints what to run on that host
    """
    prepare_logging(verbose=verbose)
    hub = find_fleet(fleet, remote)
    with reach(network, hub, lambda: manager.ledger.settings.name) as found:
        bus = found.bus or LocalBus()
        manager = Manager(hub, bus)
        manager.on_commit = tell
        with mirrored(manager, remote) as mirror, serving(manager, bus, found.enrolment, mirror):
            name = manager.ledger.settings.name
            where = f"hosts reach it at {found.where}" if found.where else "no agent here"
            click.echo(f"fleet {name!r}: managing, {where}. Ctrl-C ends it.")
            wait_for_end()
