"""`zedops diff`: what a push of the working copy would change."""

from __future__ import annotations

from typing import Any

import click

from zedops.cli.names import SERVER
from zedops.cli.output import show_json
from zedops.cli.screen import here
from zedops.document import Document
from zedops.fleet import Fleet, Kind, kind_of
from zedops.forecast import leaves
from zedops.quantities import readable


@click.command("diff")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def diff_command(server: str | None, as_json: bool) -> None:
    """Compare the working copy with what the hub has, field by field.

    Comments and layout do not count: they change no server.

    \b
    zedops diff
    zedops diff rosewood
    """
    rows = compare(*here().proposed_fleet()[:2])
    rows = [row for row in rows if server in (None, row["server"])]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        click.echo(f"{row['server']}: {row['change']}")
        for field, (before, after) in row["fields"].items():
            click.echo(f"  {field}: {_text(before)} → {_text(after)}")
    if not rows:
        click.echo("no difference")


def compare(old: Fleet, new: Fleet) -> list[dict[str, Any]]:
    """List the servers that differ, with the fields of those changed."""
    rows = []
    paths = {path for path in old.documents.keys() | new.documents.keys()
             if kind_of(path) is Kind.SERVER}
    for path in sorted(paths):
        before, after = old.documents.get(path), new.documents.get(path)
        one, other = _flat(old, before), _flat(new, after)
        if one == other and not (after and after.problems):
            continue
        change = "new" if before is None else "deleted" if after is None else "changed"
        if after is not None and after.problems:
            change = f"cannot be read: {after.problems[0]}"
        fields = {key: (one.get(key), other.get(key)) for key in sorted(one.keys() | other.keys())
                  if one.get(key) != other.get(key) and change == "changed"}
        name = (after or before or Document(path, "")).name
        rows.append({"server": name, "path": path, "change": change, "fields": fields})
    return rows


def _flat(fleet: Fleet, document: Document | None) -> dict[str, Any]:
    if document is None:
        return {}
    definition, _ = fleet.resolve(document)
    return leaves(definition.model_dump(mode="json")) if definition else {}


def _text(value: object) -> str:
    return "unset" if value in (None, {}, []) else readable(str(value))
