"""`zedops diff`: the changes that a push of the working copy would make."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.output import show_json
from zedops.control import client
from zedops.queries.conversion import read_all
from zedops.queries.output import Difference
from zedops.spec.quantities import readable


@click.command("diff")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff_command(server: str | None, as_json: bool) -> None:
    """Compare the working copy with the hub, field by field.

    Comments and layout do not count: they change no server.

    \b
    zedops diff
    zedops diff rosewood
    """
    said = client.asked_of_edits({"do": "diff"}, Path.cwd())
    rows = read() if said is None else read_all(Difference, said["rows"])
    rows = [row for row in rows if server in (None, row.server)]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        click.echo(f"{row.server}: {row.change}")
        for field, (before, after) in row.fields.items():
            click.echo(f"  {field}: {_text(before)} → {_text(after)}")
    if not rows:
        click.echo("no difference")


def read() -> list[Difference]:
    """Compare here, if no manager on this machine has the fleet in memory."""
    from zedops.cli.find import here
    from zedops.queries import changes

    return changes.compare(*here().proposed_fleet()[:2])


def _text(value: object) -> str:
    return "unset" if value in (None, {}, []) else readable(str(value))
