"""`zedops manager`: the manager alone."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.bus.local import LocalBus
from zedops.cli.up import find_hub, prepare_logging, serving, tell, wait_for_end
from zedops.manager.loop import Manager


@click.command("manager")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True), default=".")
@click.option("-v", "--verbose", is_flag=True, help="Say each step.")
def manager_command(fleet: Path, verbose: bool) -> None:
    """Run a fleet's manager without an agent: pushes are checked, merged and recorded.

    Servers stay pending until an agent joins; on one machine `zedops up` runs both.
    """
    prepare_logging(verbose=verbose)
    bus = LocalBus()
    manager = Manager(find_hub(fleet), bus)
    manager.on_commit = tell
    with serving(manager, bus):
        name = manager.ledger.settings.name
        click.echo(f"fleet {name!r}: managing, no agent here. Ctrl-C ends it.")
        wait_for_end()
