"""`zedops history`: the changes that people pushed, and their results."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.output import AT, local, show_json, table
from zedops.clone import checkout
from zedops.clone.history import read_history
from zedops.queries.output import HistoryRow

_LATE_S = 60


@click.command("history")
@click.argument("server", required=False, type=ANY_SERVER)
@click.option("-n", "--lines", default=30, show_default=True, help="How many entries, newest last.")
@click.option("--since", metavar="COMMIT|TIME", help="Only later entries.")
@AT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def history_command(
    server: str | None, lines: int, since: str | None, at: str | None, as_json: bool
) -> None:
    """Show people's changes and their results in one timeline, in this machine's time zone.

    \b
    zedops history
    zedops history rosewood -n 100
    zedops history --since 2026-11-23
    """
    repository = checkout.find_clone(Path.cwd())
    checkout.fetch(repository)
    span = [checkout.at(repository, at)] if at else checkout.branches(repository)
    if since:
        span.append(f"^{checkout.at(repository, since)}")
    entries = read_history(repository, server, lines, span)
    if as_json:
        show_json(entries)
        return
    table(
        ["WHEN", "WHO", "WHAT"],
        [[local(_time(each)), each.who, each.what + _why(each, server) + _late(each)]
         for each in entries],
        "nothing has happened yet",
    )


def _why(entry: HistoryRow, server: str | None) -> str:
    """Write a commit's reason for one server, or those for all its servers."""
    why = entry.why
    if server is not None or len(entry.transitions) == 1:
        reasons = [each for name, each in why.items() if server in (None, name)]
        return f": {'; '.join(reasons)}" if reasons else ""
    return f" ({'; '.join(f'{name}: {each}' for name, each in why.items())})" if why else ""


def _late(entry: HistoryRow) -> str:
    """Add the time of an event that a host reported later, because it was cut off."""
    begun = [each["at"].split()[0] for each in entry.transitions if each.get("at")]
    first = min((datetime.fromisoformat(each) for each in begun), default=_time(entry))
    late = (_time(entry) - first).total_seconds() > _LATE_S
    return f"  (since {local(first)})" if late else ""


def _time(entry: HistoryRow) -> datetime:
    return datetime.fromisoformat(entry.at)
