"""`zedops plan`: what a push of the working copy would do."""

from __future__ import annotations

from dataclasses import asdict

import click

from zedops.advice import advise
from zedops.cli.names import SERVER
from zedops.cli.output import show_json, table
from zedops.cli.screen import here
from zedops.forecast import Effect, foresee, judge


@click.command("plan")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def plan_command(server: str | None, as_json: bool) -> None:
    """Say what a push of the working copy would do to each server, and change nothing.

    Nothing, in place, restart, recreate, create, start, stop, move, delete, or refused. A push
    says the same, and `git push -o dry-run` says it without being taken in.

    \b
    zedops plan
    zedops plan rosewood --json
    """
    hub, proposed, paths = here().proposed_fleet()
    problems = judge(hub, proposed, paths)
    rows = [each for each in foresee(hub, proposed, paths, problems)
            if server in (None, each.server)]
    warnings = advise(proposed, paths)
    if server is not None:
        shown = {each.path for each in rows}
        problems = [each for each in problems if each.path in shown]
        warnings = [each for each in warnings if each.path in shown]
    if as_json:
        show_json({
            "servers": [{**asdict(each), "problems": [str(one) for one in each.problems]}
                        for each in rows],
            "problems": [str(each) for each in problems],
            "warnings": [str(each) for each in warnings],
        })
        return
    table(
        ["SERVER", "EFFECT", "DATA", "BECAUSE"],
        [[each.server, each.effect, each.data or "-", "; ".join(each.because) or "-"]
         for each in rows if each.effect is not Effect.NOTHING],
        "nothing changes",
    )
    for problem in problems:
        click.echo(f"refused: {problem}")
    for warning in warnings:
        click.echo(f"warning: {warning}")
