"""Writes notices for people: their occasions and their words. Pure: no clock, no I/O.

It reads events from the trailers of state commits, so a message never tells an event that is not in
the history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from zedops.fleet import backups
from zedops.fleet.fleet import Fleet
from zedops.fleet.lifecycle import due, purges_data
from zedops.fleet.trailers import read_reasons, read_trailers
from zedops.protocol.remarks import BACKUP_FAILED, PROOF_FAILED, RESTORE_FAILED, UNHEALTHY
from zedops.spec.quantities import format_duration
from zedops.spec.settings import Event
from zedops.spec.state import Status

_EVENTS = {
    Status.FAILED: Event.FAILED, Status.MISSING: Event.MISSING, Status.RUNNING: Event.RUNNING,
}  # fmt: skip
#: A server that leaves one of these for `running` has recovered.
_TROUBLE = {Status.FAILED.value, Status.MISSING.value}
_BACKUPS = (BACKUP_FAILED, RESTORE_FAILED, PROOF_FAILED)
#: Most lines of one message; a phone shows fewer.
_LINES = 15


@dataclass(frozen=True)
class Notice:
    """One thing worth a message."""

    event: Event
    text: str


def of_commit(message: str) -> list[Notice]:
    """Read the notices of a state commit: each server's way and its last status."""
    reasons = read_reasons(message)
    found = []
    for group in read_trailers(message):
        first, *moves = group.get("transition", "").split(" → ")
        name = group["server"]
        why = reasons.get(name, "")
        if not moves and why.startswith(UNHEALTHY):
            found.append(Notice(Event.FAILED, f"{name} is {why}"))
        if why.startswith(_BACKUPS):
            found.append(Notice(Event.BACKUP, f"{name}: {why}"))
        for at, move in enumerate(moves):
            is_last = at == len(moves) - 1
            event = _EVENTS.get(Status(move))
            if event is None or (event is Event.RUNNING and not is_last):
                continue
            reason = f": {why}" if why and is_last else ""
            found.append(Notice(event, f"{name} is {move}{reason}"))
            if event is Event.RUNNING and _TROUBLE & {first, *moves}:
                # the same words: a reader of both events gets one line
                found.append(Notice(Event.RECOVERED, found[-1].text))
    return found


def host_lost(host: str) -> Notice:
    """Tell that a host does not answer."""
    return Notice(Event.HOST_LOST, f"host {host} does not answer; what runs there is unknown")


def host_back(host: str) -> Notice:
    """Tell that a host answers again."""
    return Notice(Event.HOST_BACK, f"host {host} answers again")


def purges_ahead(fleet: Fleet, now: datetime, ahead_s: float) -> Iterator[tuple[str, Notice]]:
    """Find the deleted servers that are purged within `ahead_s`, each with a key for telling once.

    If the retention is shorter than twice `ahead_s`, the notice comes at half of it.
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


def backups_late(fleet: Fleet, now: datetime) -> Iterator[tuple[str, Notice]]:
    """Find overdue backups and proofs, each with a key for telling once."""
    for key, text in backups.late(fleet, now):
        yield key, Notice(Event.BACKUP, text)


#: The destination in a URL; an ambiguous URL does not match.
_ADDRESS = re.compile(
    r"([a-z0-9]+)://(?:[A-Za-z0-9._~!$&'()*+,;=:%-]*@)?([A-Za-z0-9._-]+)(:[0-9]{1,5})?(?:/[^?#@\\\s]*)?"
)


def may_go(url: str, allowed: str | None) -> bool:
    """Say whether the manager's owner allows messages to a URL that the fleet's settings hold.

    `allowed` lists hosts (`ntfy.sh`, `*.example.org`), addresses (`json://10.0.0.5:8080`) or whole
    services (`discord://*`), with blanks between; `*` is any text. None allows all.
    """
    if allowed is None or "*" in allowed.split():
        return True
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return False
    service, host, port = found[1], found[2].lower(), found[3] or ""
    names = (host, f"{service}://{host}", f"{service}://{host}{port}")
    return any(_fits(each.lower(), name) for each in allowed.split() for name in names)


def _fits(pattern: str, name: str) -> bool:
    wanted = ".*".join(re.escape(each) for each in pattern.split("*"))
    return re.fullmatch(wanted, name) is not None


def compose(fleet: str, notices: Sequence[Notice], dropped: int = 0) -> tuple[str, str]:
    """Write one message about all notices: its title and its body."""
    lines = list(dict.fromkeys(each.text for each in notices))
    more = len(lines) - _LINES + dropped if len(lines) > _LINES else dropped
    title = f"{fleet}: {lines[0]}" if len(lines) == 1 and not dropped else (
        f"{fleet}: {len(lines) + dropped} things happened"
    )
    body = "\n".join([*lines[:_LINES], *([f"and {more} more"] if more else [])])
    return title[:120], body
