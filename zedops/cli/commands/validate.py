"""`zedops validate`: the checks of a push, before the push."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.output import show_json
from zedops.control import client
from zedops.errors import Problem
from zedops.queries import conversion
from zedops.queries.output import CheckedRow, Validated


@click.command("validate")
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default="."
)
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
              show_default=True, help="github: annotations of a pull request.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def validate_command(directory: Path, form: str, as_json: bool) -> None:
    """Check every definition of the working copy, as a push would. Exit code 1 on problems.

    Warnings are shown and refuse nothing.

    \b
    zedops validate && git push
    zedops validate --format github          in a workflow of GitHub, Gitea or Forgejo
    """
    asked = client.asked_of_edits({"do": "validate"}, directory, fetch=False)
    said = read(directory) if asked is None else conversion.read(Validated, asked)
    found = [*(("error", each) for each in said.problems),
             *(("warning", each) for each in said.warnings)]
    if as_json or form == "json":
        show_json([CheckedRow(kind, **vars(each)) for kind, each in found])
    elif form == "github":
        for kind, each in found:
            click.echo(annotation(kind, each))
    else:
        for kind, each in found:
            click.echo(f"warning: {each}" if kind == "warning" else str(each))
        count = said.count
        if not said.problems:
            click.echo(f"{count} definition{'' if count == 1 else 's'}, no problems")
    if said.problems:
        raise SystemExit(1)


def read(directory: Path) -> Validated:
    """Work it out here, where no manager is near that has the fleet in memory."""
    from zedops.clone.clone import Clone
    from zedops.queries import changes

    clone = Clone.checkout(directory)
    return changes.validate(clone.working_fleet(), clone.suspects())


def annotation(kind: str, problem: Problem) -> str:
    """Write a problem as a workflow command: `::error file=…,line=…,col=…::text`.

    Source: GitHub's "Workflow commands for GitHub Actions", and toolkit's command.ts for escapes.
    """
    places = {"file": problem.path, "line": problem.line or None, "col": problem.column or None}
    where = ",".join(f"{key}={_property(str(each))}" for key, each in places.items() if each)
    subject = f"{problem.field}: " if problem.field else ""
    remedy = f"; {problem.remedy}" if problem.remedy else ""
    return f"::{kind} {where}::{_data(f'{subject}{problem.fact}{remedy}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
