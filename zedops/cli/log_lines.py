"""Prints lines of logs: of several servers with their names, or those that a search finds."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from zedops.cli.output import echo_raw
from zedops.cli.stream import locate
from zedops.control import client
from zedops.control.log_stream import records
from zedops.errors import UsageError, ZedopsError
from zedops.protocol.log_lines import MAX_LINES, MAX_SEARCH, End, Line

MOST_SERVERS = 8

Place = tuple[Path, str]  #: the hub to ask, and the server's id


def show(
    servers: Sequence[str], wanted: dict[str, Any], grep: str | None, context: int, *, follow: bool
) -> None:
    """Print the newest lines by time, then new ones if `follow`. Raises a host's error."""
    names = list(dict.fromkeys(servers))
    if len(names) > MOST_SERVERS:
        raise UsageError(f"{len(names)} servers are too many; name at most {MOST_SERVERS}")
    if grep is not None and not 0 < len(grep) <= MAX_SEARCH:
        raise UsageError(f"--grep takes 1 to {MAX_SEARCH} characters")
    places = {name: locate(name) for name in names}
    request = {**wanted, "lines": True, "tail": min(wanted["tail"], MAX_LINES)}
    if grep is not None:
        request |= {"search": grep, "context": context}
    width = max(map(len, names)) if len(names) > 1 else 0
    found: list[tuple[str, Line]] = []
    last: dict[str, str] = {}
    for name in names:
        for each in _records(places[name], request):
            if isinstance(each, Line):
                found.append((name, each))
                last[name] = each.id
            elif each.cut_at:
                click.echo(f"{name}: no line before {each.cut_at[:19]} UTC was read", err=True)
    found.sort(key=lambda pair: pair[1].at)  # stable: lines of one server keep their order
    for number, (name, each) in enumerate(found):
        if each.follows_gap and number and context:
            echo_raw("--\n")
        _print(name, each, width)
    if follow:
        _follow(places, request, last, width)


def _records(place: Place, request: dict[str, Any]) -> Iterator[Line | End]:
    hub, server_id = place
    return records(client.streamed(hub, {**request, "server_id": server_id}))


def _follow(
    places: dict[str, Place], request: dict[str, Any], last: dict[str, str],
    width: int,
) -> None:
    """Print new lines of all servers as they come, until each stream has ended."""
    came: queue.Queue[tuple[str, Line | ZedopsError | None]] = queue.Queue(1000)

    def read(name: str) -> None:
        try:
            after = {"after": last[name]} if name in last else {}
            asked = {**request, "kind": "logs", "follow": True, "context": None, **after}
            for each in _records(places[name], asked):
                if not isinstance(each, End):
                    came.put((name, each))
            came.put((name, None))
        except ZedopsError as error:
            came.put((name, error))

    for name in places:
        threading.Thread(target=read, args=(name,), name=f"logs-{name}", daemon=True).start()
    left = len(places)
    while left:
        name, each = came.get()
        if isinstance(each, Line):
            _print(name, each, width)
            continue
        left -= 1
        if each is not None and len(places) == 1:
            raise each
        if each is not None:
            click.echo(f"{name}: {each}", err=True)


def _print(name: str, each: Line, width: int) -> None:
    echo_raw(f"{name:<{width}} | {each.text}\n" if width else f"{each.text}\n")
