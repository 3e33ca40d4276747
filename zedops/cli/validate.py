"""`zedops validate`: the checks of a push, before the push."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from zedops import checks
from zedops.cli.screen import show_json
from zedops.clone import Clone
from zedops.fleet import SETTINGS_PATH


@click.command("validate")
@click.argument("directory", type=click.Path(path_type=Path, exists=True), default=".")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def validate_command(directory: Path, as_json: bool) -> None:
    """Check every definition of the working copy, as a push would. Exit code 1 on problems.

    \b
    zedops validate && git push
    """
    fleet = Clone.find(directory).working_fleet()
    problems = checks.check(fleet, {*fleet.documents, SETTINGS_PATH})
    if as_json:
        show_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            click.echo(str(problem))
        count = sum(1 for _ in fleet.servers())
        if not problems:
            click.echo(f"{count} definition{'' if count == 1 else 's'}, no problems")
    if problems:
        raise SystemExit(1)
