"""How commands show things: tables on a terminal, plain columns in a pipe, JSON on request.

Light: what only shows something starts in a third of the time that reading a fleet takes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from zedops.quantities import format_duration

COLOURS = {
    "running": "green", "failed": "red", "missing": "red", "stopped": "yellow",
    "deleted": "bright_black", "deleting": "magenta", "creating": "cyan", "pending": "cyan",
}  # fmt: skip
#: Look back: what git said at a commit, or at a time.
AT = click.option("--at", metavar="COMMIT|TIME", help="As it was then: 3f2a1c9, 2026-11-23T10:00.")
WAIT = click.option(
    "--wait", is_flag=True, help="Return only when it is done; exit code 1 if it failed."
)


#: A colour, as logs have them (ECMA-48, SGR); every other sequence may do harm.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: str, keep: str = "\n\t") -> str:
    """Show what a terminal would obey (ECMA-48), or turn around, as the escape that names it.

    Names, messages and logs come from other people and from containers.
    """
    plain = _COLOUR.sub("", text).replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in plain)


def echo_raw(text: str) -> None:
    """Print what a server said: as it is into a pipe or file, harmless on a terminal."""
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def show_json(value: object) -> None:
    """Print JSON for machines."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    # JSON escapes what is below a blank; above it there are controls as well
    shown = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    click.echo(shown)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print a table; without a terminal, tab-separated lines under the same headings."""
    if not rows:
        click.echo(empty)
        return
    rows = [[printable(cell, "") for cell in row] for row in rows]
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


def ago(at: datetime | None) -> str:
    """Say how long ago something was."""
    return format_duration((datetime.now(UTC) - at).total_seconds()) if at else "-"


def tell_silent(silent: dict[str, str]) -> None:
    """Name on stderr the hosts that did not answer, each with the reason."""
    for where, why in silent.items():
        click.echo(f"{where}: not looked at: {why}", err=True)
