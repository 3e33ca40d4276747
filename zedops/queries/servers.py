"""One server as a row of facts: the rows of `list --json` and `show --json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import published
from zedops.spec import state_block
from zedops.spec.document import Document
from zedops.spec.model import Status

#: Statuses in which a host may report progress.
_AT_WORK = (Status.PENDING.value, Status.CREATING.value)


def facts(fleet: Fleet, each: Document) -> dict[str, Any]:
    """Describe one server for JSON, as `list --json` and `show --json` print it."""
    state, definition = each.state, fleet.resolve(each)[0] or each.definition
    return {
        "name": each.name,
        "path": each.path,
        "id": each.id,
        "status": state.status.value if state else "pending",
        "desired": definition.desired.value if definition else None,
        "host": fleet.host_of(each) or (state.host if state else None),
        "image": definition.image if definition else None,
        "ports": [f"{port.host}/{port.protocol}" for _, port in published(fleet, each)],
        "data_exists": state.data_exists if state else False,
        "deleted_at": _time(state.deleted_at) if state else None,
        "container": state.container if state else None,
        "commit": state.commit if state else None,
        "since": _time(state.since) if state else None,
        "message": state.message if state else None,
        "problems": [str(problem) for problem in each.problems],
    }


def _time(at: datetime | None) -> str | None:
    return state_block.format_time(at) if at else None


def rows(fleet: Fleet, *, include_deleted: bool) -> list[dict[str, Any]]:
    """Describe every server, sorted by name; with `include_deleted` also the deleted ones."""
    shown = [*fleet.servers(), *(fleet.tombstones() if include_deleted else ())]
    return [facts(fleet, each) for each in sorted(shown, key=lambda each: each.name)]


def detail(fleet: Fleet, each: Document) -> dict[str, Any]:
    """Describe one server with its resolved definition and its file as written (`text`)."""
    made = fleet.resolve(each)[0] or each.definition
    return {
        **facts(fleet, each),
        "definition": made.model_dump(mode="json") if made else None,
        "text": state_block.render(each.head, each.state).decode("utf-8", "replace"),
    }


def with_progress(
    made: list[dict[str, Any]], progress: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Add the host's progress, such as a pull, to rows without a message of their own."""
    return [
        {**row, "message": progress[row["id"]]}
        if row["message"] is None and row["status"] in _AT_WORK and row["id"] in progress else row
        for row in made
    ]
