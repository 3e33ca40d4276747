"""`zedops watch`: the fleet, live."""

from __future__ import annotations

import time
from datetime import datetime

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from zedops.cli import columns
from zedops.cli.commands.stats import cpu
from zedops.cli.find import here
from zedops.cli.load_meter import Busy, Meter
from zedops.cli.output import ago, printable
from zedops.clone.checkout import REMOTE_MAIN
from zedops.clone.clone import Clone
from zedops.control import client
from zedops.errors import GitFailed, ZedopsError
from zedops.queries import servers
from zedops.queries.conversion import read_all
from zedops.queries.rows import ServerRow
from zedops.spec.layout import PRESETS, SERVERS, SETTINGS_PATH, TOMBSTONES
from zedops.spec.quantities import format_size

#: The files of the fleet itself.
_OURS = (SETTINGS_PATH, SERVERS, TOMBSTONES, PRESETS)
_HEADINGS = (
    "NAME", "STATUS", "FOR", "HOST", "CPU", "MEMORY", "HEALTH", "PORTS", "MESSAGE",
)  # fmt: skip


@click.command("watch")
@click.option("-n", "--interval", default=2.0, show_default=True, help="Seconds between updates.")
def watch_command(interval: float) -> None:
    """Watch the status of every server, until Ctrl-C.

    \b
    zedops watch
    """
    clone = here()
    meter = Meter(clone)
    console = Console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            live.update(look(clone, meter, console.width), refresh=True)
            time.sleep(max(interval, 0.2))
            try:
                clone.fetch()
            except ZedopsError as error:
                console.print(Text(f"cannot reach the hub: {error}", style="red"))


def look(clone: Clone, meter: Meter, width: int) -> Group:
    """Draw the present status of the fleet."""
    fleet = clone.fleet()
    busy = meter.measure(fleet.settings.hosts)
    said = client.asked({"do": "list", "buried": False})  # the manager knows the progress of a pull
    rows = (servers.rows(fleet, include_deleted=False) if said is None
            else read_all(ServerRow, said["rows"]))
    cells = [
        [printable(cell, "") for cell in (
            row.name, row.shown, ago(_time(row.since)), row.host or "-",
            *_load(busy.get(row.id or "")), " ".join(row.ports) or "-", row.message or "",
        )]
        for row in rows
    ]  # fmt: skip
    made = [Text.assemble(*pieces) for pieces in columns.lines(_HEADINGS, cells, width)]
    counts = " ".join(
        f"{sum(row.shown == status for row in rows)} {status}"
        for status in dict.fromkeys(row.shown for row in rows)
    )
    waiting = f", not answering: {', '.join(sorted(meter.silent))}" if meter.silent else ""
    head = Text(f"{fleet.settings.name}: {counts or 'no servers'}{waiting}", style="bold")
    return Group(head, *_unpushed(clone), Text(), *made)


def _unpushed(clone: Clone) -> list[Text]:
    """Count the changes in this clone that are not pushed yet."""
    run = clone.repository.run
    files = len(run("status", "--porcelain", "--", *_OURS).splitlines())
    try:
        commits = int(run("rev-list", "--count", f"{REMOTE_MAIN}..HEAD"))
    except GitFailed:  # nothing was committed here yet
        commits = 0
    parts = [f"{count} {what}{'' if count == 1 else 's'} {rest}" for count, what, rest in (
        (files, "file", "changed here"), (commits, "commit", "not pushed"),
    ) if count]
    return [Text(f"{', '.join(parts)}: `zedops plan` previews a push")] if parts else []


def _time(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None


def _load(busy: Busy | None) -> tuple[str, str, str]:
    if busy is None:
        return "-", "-", "-"
    return cpu(busy), format_size(busy.sample.memory_bytes), busy.sample.health or "-"
