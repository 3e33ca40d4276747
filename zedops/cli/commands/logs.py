"""`zedops logs`: the output of a server."""

from __future__ import annotations

import time
from datetime import datetime

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.stream import stream
from zedops.errors import UsageError
from zedops.spec.quantities import parse_duration

_TAIL = 100
#: As many lines as an Engine keeps, so that `--since` alone limits the output.
_ALL = 1_000_000


@click.command("logs")
@click.argument("server", type=SERVER)
@click.option("-f", "--follow", is_flag=True, help="Show new lines until Ctrl-C.")
@click.option("-n", "--tail", type=int,
              help=f"How many old lines. Default: {_TAIL}, or all with --since.")
@click.option("--since", metavar="DURATION|TIME", help="No older lines: 10m, 2026-11-23T10:00.")
def logs_command(server: str, follow: bool, tail: int | None, since: str | None) -> None:
    """Show a server's log.

    \b
    zedops logs rosewood -f
    zedops logs rosewood --since 10m
    """
    wanted: dict[str, object] = {"kind": "logs", "follow": follow}
    if since is not None:
        wanted["since"] = _moment(since)
    wanted["tail"] = tail if tail is not None else _TAIL if since is None else _ALL
    stream(server, wanted)


def _moment(text: str) -> int:
    """Read a time, by default in this machine's zone, or a duration before now. UsageError."""
    try:
        return int(time.time() - parse_duration(text))
    except ValueError:
        pass
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp())
    except ValueError as error:
        remedy = "write e.g. 10m, 2h or 2026-11-23T10:00"
        raise UsageError(f"--since {text}: neither a duration nor a time; {remedy}") from error
