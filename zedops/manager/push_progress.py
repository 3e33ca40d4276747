"""Reports the progress of a push to its author, until all servers rest or the wait is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from zedops.fleet.lifecycle import SETTLED
from zedops.manager.loop import Manager
from zedops.spec.layout import Kind, kind_of, preset_name, tombstone_path
from zedops.spec.quantities import format_duration
from zedops.spec.state import Status

WAIT_S = 30.0
#: Long work reports its progress this often.
PROGRESS_S = 3.0


@dataclass
class Followed:
    """One server that a push touched, with the statuses seen so far."""

    id: str
    name: str
    statuses: list[Status] = field(default_factory=list)
    done: bool = False


def follow(
    manager: Manager, paths: Iterable[str], say: Callable[[str], None], wait_s: float = WAIT_S
) -> None:
    """Report on the servers of some paths; returns when all are at rest, or after `wait_s`."""
    begun = time.monotonic()
    manager.wait_for(manager.wake(), wait_s)
    with manager.changed:
        followed = _servers(manager, paths)
    said = begun
    while time.monotonic() - begun < wait_s:
        with manager.changed:
            lines = [line for each in followed if (line := _look(manager, each, begun))]
            waiting = [each for each in followed if not each.done]
            if waiting and time.monotonic() - said > PROGRESS_S:
                lines += [_so_far(manager, each) for each in waiting[:3]]
                said = time.monotonic()
            if waiting and not lines:
                manager.changed.wait(0.5)
        for line in lines:
            say(line)
        if not waiting:
            return
    rest = [each.name for each in followed if not each.done]
    say(f"{', '.join(rest[:5])}{' and others' if len(rest) > 5 else ''}: still at work, and it"
        " goes on without you; `zedops list` shows where it stands")


def _servers(manager: Manager, paths: Iterable[str]) -> list[Followed]:
    fleet = manager.ledger.fleet
    documents = fleet.documents
    touched = set(paths)
    users = fleet.users({name for path in touched if (name := preset_name(path))})
    found = {}
    for path in sorted(touched | users):
        if kind_of(path) not in (Kind.SERVER, Kind.TOMBSTONE):
            continue
        each = documents.get(path) or documents.get(tombstone_path(PurePosixPath(path).stem))
        if each is not None and each.id is not None:
            found[each.id] = Followed(each.id, each.name)
    return list(found.values())


def _look(manager: Manager, each: Followed, begun: float) -> str | None:
    """Check one server; returns a line if it just came to rest, or if its host is silent."""
    document = manager.ledger.server(each.id)
    if each.done:
        return None
    if document is None or document.state is None:
        each.done = True
        return f"{each.name} purged"
    status = document.state.status
    if not each.statuses or each.statuses[-1] is not status:
        each.statuses.append(status)
    if not manager.ledger.at_rest(each.id):
        host = manager.ledger.assigned.host(each.id)
        each.done = host is not None and manager.is_silent(host)
        waits = f"{each.name} {status}: it waits for host {host!r}, which does not answer"
        return waits if each.done else None
    each.done = True
    took = format_duration(time.monotonic() - begun)
    why = f": {document.state.message}" if status in _WITH_REASON and document.state.message else ""
    way = [s for s in each.statuses[:-1] if s not in SETTLED and s is not Status.PENDING]
    before = f" {way[-1]} …" if way else ""
    return f"{each.name}{before} {status} ({took}){why}"


_WITH_REASON = {Status.FAILED, Status.MISSING, Status.RUNNING}


def _so_far(manager: Manager, each: Followed) -> str:
    progress = manager.calls.progress_of.get(each.id)
    return f"{each.name} {each.statuses[-1]} …{f' {progress}' if progress else ''}"
