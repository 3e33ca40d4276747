"""How commands show things: tables on a terminal, plain columns in a pipe, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from zedops.clone import Clone
from zedops.document import Document
from zedops.errors import UsageError
from zedops.fleet import Fleet
from zedops.ports import published
from zedops.quantities import format_duration

COLOURS = {
    "running": "green", "failed": "red", "missing": "red", "stopped": "yellow",
    "deleted": "bright_black", "deleting": "magenta", "creating": "cyan", "pending": "cyan",
}  # fmt: skip


def here() -> Clone:
    """Find the clone that the person is in, and bring it up to date with its hub."""
    clone = Clone.find(Path.cwd())
    clone.fetch()
    return clone


#: Look back: what git said at a commit, or at a time.
AT = click.option("--at", metavar="COMMIT|TIME", help="As it was then: 3f2a1c9, 2026-11-23T10:00.")


def fleet_at(clone: Clone, at: str | None) -> Fleet:
    """Read the fleet as it is now, or as it was."""
    return clone.fleet(clone.at(at)) if at else clone.fleet()


def show_json(value: object) -> None:
    """Print JSON for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print a table; without a terminal, tab-separated lines under the same headings."""
    if not rows:
        click.echo(empty)
        return
    if not sys.stdout.isatty():
        for row in [headings, *rows]:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*[Text(cell, style=COLOURS.get(cell, "")) for cell in row])
    Console().print(made)


def find_server(fleet: Fleet, name: str) -> Document:
    """Find a living server by name. UsageError names what there is."""
    for each in fleet.servers():
        if each.name == name:
            return each
    import difflib

    names = sorted(each.name for each in fleet.servers())
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`zedops list --all` shows what there is"
    if any(each.name == name for each in fleet.tombstones()):
        hint = f"it is deleted; bring it back with `zedops restore {name}`"
    raise UsageError(f"no server {name!r}; {hint}")


def facts(fleet: Fleet, each: Document) -> dict[str, Any]:
    """State one server for JSON: the shape of `list --json` and `show --json`."""
    state, definition = each.state, fleet.resolve(each)[0] or each.definition
    return {
        "name": each.name,
        "path": each.path,
        "id": each.id,
        "status": state.status.value if state else "pending",
        "desired": definition.desired.value if definition else None,
        "host": fleet.host_of(each) or (state.host if state else None),
        "image": definition.image if definition else None,
        "ports": [f"{port.host}/{port.protocol}" for _, port in published(fleet, each)],
        "data_exists": state.data_exists if state else False,
        "deleted_at": state.deleted_at if state else None,
        "container": state.container if state else None,
        "commit": state.commit if state else None,
        "since": state.since if state else None,
        "message": state.message if state else None,
        "problems": [str(problem) for problem in each.problems],
    }


def ago(at: datetime | None) -> str:
    """Say how long ago something was."""
    return format_duration((datetime.now(UTC) - at).total_seconds()) if at else "-"
