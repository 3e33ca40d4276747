"""One server as a row of facts: the rows of `list --json` and `show --json`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from zedops.fleet import backups, provenance
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import published
from zedops.protocol.remarks import NOT_READY, STARTING
from zedops.queries.rows import ResolvedValue, ServerDetail, ServerRow
from zedops.spec import state_block
from zedops.spec.backup import read_last
from zedops.spec.document import Document
from zedops.spec.model import Definition
from zedops.spec.places import dotted
from zedops.spec.state import State, Status

#: Statuses in which a host may report progress.
_AT_WORK = (Status.PENDING.value, Status.CREATING.value)


def facts(fleet: Fleet, each: Document) -> ServerRow:
    """Describe one server, as `list --json` and `show --json` print it."""
    state, definition = each.state, fleet.resolve(each)[0] or each.definition
    last = read_last(state.backup) if state and state.backup else None
    return ServerRow(
        name=each.name,
        path=each.path,
        id=each.id,
        status=state.status.value if state else "pending",
        desired=definition.desired.value if definition else None,
        host=fleet.host_of(each) or (state.host if state else None),
        image=definition.image if definition else None,
        ports=[f"{port.host}/{port.protocol}" for _, port in published(fleet, each)],
        data_exists=state.data_exists if state else False,
        deleted_at=_time(state.deleted_at) if state else None,
        container=state.container if state else None,
        commit=state.commit if state else None,
        since=_time(state.since) if state else None,
        message=state.message if state else None,
        problems=[str(problem) for problem in each.problems],
        backup_at=_time(last.at) if last else None,
        backup_snapshot=last.snapshot if last else None,
        backup_bytes=last.size_bytes if last else None,
        ready=_is_ready(definition, state),
        backup_proven_at=_time(last.proven_at) if last else None,
        backup_proven=last.proven if last else None,
        backup_late_at=_time(backups.late_at(fleet, each, definition)),
    )


def _is_ready(definition: Definition | None, state: State | None) -> bool | None:
    """Say whether a server that runs is ready; None if its definition has no `ready:`."""
    runs = state is not None and state.status is Status.RUNNING
    if not runs or state is None or definition is None or definition.ready is None:
        return None
    return not (state.message or "").startswith((STARTING, NOT_READY))


def _time(at: datetime | None) -> str | None:
    return state_block.format_time(at) if at else None


def rows(fleet: Fleet, *, include_deleted: bool) -> list[ServerRow]:
    """Describe every server, sorted by name; with `include_deleted` also the deleted ones."""
    shown = [*fleet.servers(), *(fleet.tombstones() if include_deleted else ())]
    return [facts(fleet, each) for each in sorted(shown, key=lambda each: each.name)]


def detail(fleet: Fleet, each: Document) -> ServerDetail:
    """Describe one server with its resolved definition."""
    made = fleet.resolve(each)[0] or each.definition
    definition = made.model_dump(mode="json") if made else None
    return ServerDetail(**vars(facts(fleet, each)), definition=definition)


def text(each: Document) -> str:
    """Give a server's file as written, with its state."""
    return state_block.render(each.head, each.state).decode("utf-8", "replace")


def resolved(fleet: Fleet, each: Document) -> list[ResolvedValue]:
    """List every value that a server's host gets, and its source."""
    return [ResolvedValue(dotted(one.path), one.value, one.origin)
            for one in provenance.values(fleet, each)]


def with_progress(made: Iterable[ServerRow], progress: Mapping[str, str]) -> list[ServerRow]:
    """Add the host's progress, such as a pull, to rows without a message of their own."""
    return [
        replace(row, message=progress[row.id or ""])
        if row.message is None and row.status in _AT_WORK and row.id in progress else row
        for row in made
    ]
