"""What must be said beside states that nothing keeps true at the moment, with their age."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from zedops.cli import door
from zedops.cli.ask import is_managed
from zedops.cli.output import ago, local
from zedops.clone import Clone


def warn(where: Path) -> None:
    """Say on standard error that no manager keeps the states of a clone's fleet true, if so.

    Of a hub on another machine that cannot be known.
    """
    clone = Clone.find(where)
    hub = clone.hub_path()
    if hub is None:
        return
    if is_managed(clone):
        if door.near(where) is None:
            return  # the hub follows an upstream: what the clone reads is as true as that
        fact = f"the manager of {hub} does not answer"
        remedy = "`zedops doctor` says more"
    else:
        fact = f"no manager is running on {hub}, so nothing looks at the containers"
        remedy = "start it with `zedops up`"
    newest = _newest(clone)
    age = "no states yet"
    if newest is not None:
        age = f"the newest state is of {local(newest)}, {ago(newest)} ago"
    click.echo(f"{fact}: {age}; {remedy}", err=True)


def _newest(clone: Clone) -> datetime | None:
    said = clone.repository.run(
        "log", "--max-count=1", "--format=%ct", "--grep=^Zedops-Server:",
        "--end-of-options", clone.branches()[-1],
    )
    return datetime.fromtimestamp(int(said), UTC) if said else None
