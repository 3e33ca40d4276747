"""What people are told of, and in which words. Pure: no clock, no I/O.

State commits say what happened in their trailers, and that is where this reads it: so a message
can say nothing that is not in the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from zedops.fleet import Fleet
from zedops.lifecycle import due, purges_data
from zedops.model import Status
from zedops.quantities import format_duration
from zedops.settings import Event
from zedops.trailers import read_reasons, read_trailers

_EVENTS = {
    Status.FAILED: Event.FAILED, Status.MISSING: Event.MISSING, Status.RUNNING: Event.RUNNING,
}  # fmt: skip
#: So many lines go into one message; a phone shows fewer.
_LINES = 15


@dataclass(frozen=True)
class Notice:
    """One thing worth a message."""

    event: Event
    text: str


def of_commit(message: str) -> list[Notice]:
    """Read what a state commit tells of its servers: where each was on the way, and ended."""
    reasons = read_reasons(message)
    found = []
    for group in read_trailers(message):
        moves = group.get("transition", "").split(" → ")[1:]
        name = group["server"]
        why = reasons.get(name, "")
        for at, move in enumerate(moves):
            is_last = at == len(moves) - 1
            event = _EVENTS.get(Status(move))
            if event is None or (event is Event.RUNNING and not is_last):
                continue
            reason = f": {why}" if why and is_last else ""
            found.append(Notice(event, f"{name} is {move}{reason}"))
    return found


def host_lost(host: str) -> Notice:
    """Tell that a host does not answer."""
    return Notice(Event.HOST_LOST, f"host {host} does not answer; what runs there is unknown")


def host_back(host: str) -> Notice:
    """Tell that a host answers again."""
    return Notice(Event.HOST_BACK, f"host {host} answers again")


def purges_ahead(fleet: Fleet, now: datetime, ahead_s: float) -> Iterator[tuple[str, Notice]]:
    """Find the deleted servers that are purged within `ahead_s`, each with a key for telling once.

    A retention shorter than twice that is told of at half its time.
    """
    retention_s = fleet.settings.retention
    ahead = timedelta(seconds=min(ahead_s, retention_s / 2))
    for grave in fleet.tombstones():
        state = grave.state
        if state is None or state.status is not Status.DELETED or state.deleted_at is None:
            continue
        ends = due(state, fleet.settings)
        if ends is None or not ends - ahead <= now < ends:
            continue
        removed = purges_data(state, fleet.settings)
        data = "its data is removed" if removed else "its data stays on its host"
        left = format_duration((ends - now).total_seconds())
        text = f"{grave.name} is purged in {left}, {data}; `zedops restore {grave.name}` keeps it"
        yield f"{state.id} {state.deleted_at.isoformat()}", Notice(Event.PURGE_AHEAD, text)


def compose(fleet: str, notices: Sequence[Notice], dropped: int = 0) -> tuple[str, str]:
    """Write one message about everything: its title and its body."""
    lines = list(dict.fromkeys(each.text for each in notices))
    more = len(lines) - _LINES + dropped if len(lines) > _LINES else dropped
    title = f"{fleet}: {lines[0]}" if len(lines) == 1 and not dropped else (
        f"{fleet}: {len(lines) + dropped} things happened"
    )
    body = "\n".join([*lines[:_LINES], *([f"and {more} more"] if more else [])])
    return title[:120], body
