"""The warning beside states that no manager keeps up to date, with their age."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from zedops.cli.output import ago, local
from zedops.clone.clone import Clone
from zedops.control import client
from zedops.control.hosts import is_managed
from zedops.git.objects import moment


def warn(where: Path) -> None:
    """Warn on standard error if no manager keeps the states of a clone's fleet up to date.

    For a hub on another machine this process cannot know, and stays silent.
    """
    clone = Clone.find(where)
    hub = clone.origin.hub_path()
    if hub is None:
        return
    if is_managed(clone):
        if client.near(where) is None:
            return  # the hub follows an upstream: the clone's states are as recent as that remote
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
    return moment(said) if said else None
