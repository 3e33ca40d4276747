"""Shows what an act would do before it is pushed: the same plan as `zedops plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zedops.cli.output import table
from zedops.queries.output import Planned

if TYPE_CHECKING:  # `zedops plan` asks the manager, and loads no fleet
    from zedops.clone.clone import Clone
    from zedops.clone.verbs import Act


def plan_of(clone: Clone, made: Act) -> Planned:
    """Predict the effect of an act."""
    from zedops.clone.checkout import REMOTE_MAIN
    from zedops.clone.edits import Edits
    from zedops.queries import changes

    edits = Edits(clone.at(REMOTE_MAIN), dict(made.files))
    return changes.plan(*clone.proposed_fleet(edits), None, dict(made.files), made.options)


def show(said: Planned, empty: str = "nothing changes") -> None:
    """Print a plan: a line for each server that changes, problems, warnings."""
    table(
        ["SERVER", "EFFECT", "DATA", "BECAUSE"],
        [[each.server, each.effect, each.data or "-", "; ".join(each.because) or "-"]
         for each in said.servers if each.effect != "nothing"],
        empty,
    )
    for problem in said.problems:
        click.echo(f"refused: {problem}")
    for warning in said.warnings:
        click.echo(f"warning: {warning}")


def preview(clone: Clone, made: Act) -> None:
    """Print the commit that an act would make, and its plan."""
    subject = made.message.partition("\n")[0]
    click.echo(f"would commit: {subject}")
    show(plan_of(clone, made))
