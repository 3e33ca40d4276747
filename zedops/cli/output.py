"""Output of commands: tables on a terminal, plain columns in a pipe, JSON on request.

Imports little: commands that only show something start in a third of the time of reading a fleet.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from zedops.queries import conversion
from zedops.spec.quantities import format_duration

#: Show the fleet of a commit, or of a time.
AT = click.option(
    "--at", metavar="COMMIT|TIME",
    help="The fleet of this commit or time: 3f2a1c9, 2026-11-23T10:00.",
)
WAIT = click.option(
    "--wait", is_flag=True, help="Return only when it is done; exit code 1 if it failed."
)


#: A colour sequence (ECMA-48, SGR), as in logs; every other sequence may do harm.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


#: Replacements for zedops' own signs on a terminal that cannot show them.
_PLAIN = str.maketrans({"→": "->", "…": "...", "–": "-", "×": "x", "’": "'", "⋯": "..."})


def speak_any_encoding() -> None:
    """Let every stream take every text: plain letters replace those that its encoding lacks."""
    codecs.register_error("zedops", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="zedops")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def printable(text: str, keep: str = "\n\t") -> str:
    """Escape characters that control a terminal (ECMA-48) or reverse the direction of text.

    Names, messages and logs come from other people and from containers.
    """
    plain = _COLOUR.sub("", text).replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in plain)


def echo_raw(text: str) -> None:
    """Print a server's output: unchanged into a pipe or file, escaped on a terminal."""
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def show_json(value: object) -> None:
    """Print JSON for machines."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=conversion.plain)
    # JSON escapes control characters below U+0020: escape those above it, too
    shown = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    click.echo(shown)


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
    import shutil  # 3 ms, with its archives

    from zedops.cli import columns

    for pieces in columns.lines(headings, rows, shutil.get_terminal_size().columns):
        click.echo("".join(_styled(text, style) for text, style in pieces).rstrip())


def _styled(text: str, style: str) -> str:
    if not style or not coloured():
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)


def coloured() -> bool:
    """Say whether standard output is a terminal that wants colours (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def local(at: datetime) -> str:
    """Write a time in this machine's zone, with the zone, so that `--at` takes it as it is."""
    return at.astimezone().isoformat(" ", "seconds")


def ago(at: datetime | None) -> str:
    """Say how long ago something was."""
    return format_duration((datetime.now(UTC) - at).total_seconds()) if at else "-"


def tell_silent(silent: dict[str, str]) -> None:
    """Name on stderr the hosts that did not answer, each with the reason."""
    for where, why in silent.items():
        click.echo(f"{where}: not looked at: {why}", err=True)
