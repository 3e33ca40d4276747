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
@click.argument("servers", metavar="SERVER...", nargs=-1, required=True, type=SERVER)
@click.option("-f", "--follow", is_flag=True, help="Show new lines until Ctrl-C.")
@click.option("-n", "--tail", type=int,
              help=f"How many old lines. Default: {_TAIL}, or all with --since.")
@click.option("--since", metavar="DURATION|TIME", help="No older lines: 10m, 2026-11-23T10:00.")
@click.option("--grep", metavar="TEXT", help="Only lines with a text, in any case.")
@click.option("-C", "--context", type=click.IntRange(0, 50), default=0,
              help="With --grep: how many lines beside each.")
def logs_command(
    servers: tuple[str, ...], follow: bool, tail: int | None, since: str | None,
    grep: str | None, context: int,
) -> None:
    """Show a server's log, or the logs of several merged by time.

    With several servers, or with --grep, there are at most 2,000 lines of each.

    \b
    zedops logs rosewood -f
    zedops logs rosewood --since 10m
    zedops logs rosewood muldraugh -f
    zedops logs rosewood --grep error -C 3
    """
    wanted: dict[str, object] = {"kind": "logs", "follow": follow}
    if since is not None:
        wanted["since"] = _moment(since)
    wanted["tail"] = tail if tail is not None else _TAIL if since is None else _ALL
    if len(servers) == 1 and grep is None:
        stream(servers[0], wanted)
        return
    from zedops.cli.log_lines import show

    if grep is not None and tail is None:
        wanted["tail"] = _ALL
    show(servers, {**wanted, "follow": False}, grep, context, follow=follow)


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
