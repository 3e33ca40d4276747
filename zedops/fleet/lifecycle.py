"""The life of a server: facts in, state out. Only this module decides a status.

A new definition is *pending* until its host starts on it, then *creating*, then *running* (or
*stopped*, if the definition asks for that). From there the host's facts decide. A container that
does not run is *stopped*. A container that is gone is *missing* until the agent makes a new one.
Data that is gone stays *missing*, because a world recreated empty is a world lost. A failed attempt
is *failed*, until a later one succeeds. A removed definition becomes a tombstone: *deleting* while
its container goes, then *deleted*, with its data kept. A restored definition is *pending* again. A
host that does not answer makes its servers *unknown*; zedops infers nothing from that.

`fold` is level-triggered: it reads the facts and not their history, so reports may be lost, doubled
or late. "Could not look" (None) never changes anything. Pure: no clock, no I/O.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from zedops.errors import ZedopsError
from zedops.protocol.remarks import (
    BACKUP_FAILED,
    LEFT_SO,
    MOVING,
    NOT_AGAIN,
    NOT_APPLIED,
    NOT_MOVED,
    PROOF_FAILED,
    PURGE_WAITS,
    RESTORE_FAILED,
    STARTING,
    UNHEALTHY,
    UNSEEN,
)
from zedops.protocol.sync import Activity, ContainerFacts, Goal, ServerReport
from zedops.spec.backup import checked_last
from zedops.spec.fields import COMMIT, CONTAINER, IMAGE_SEEN
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status
from zedops.spec.state_block import brief, format_time

_S = Status
#: The exit code of a process that SIGKILL ended (128 + 9).
_SIGKILLED = 137
_ALIVE = frozenset({_S.CREATING, _S.RUNNING, _S.STOPPED, _S.MISSING, _S.FAILED})
_ANY_TIME = frozenset({_S.DELETING, _S.UNKNOWN, _S.PENDING})

#: The legal moves between statuses. Any other move is a bug and raises IllegalMove.
MOVES: dict[Status, frozenset[Status]] = {
    _S.PENDING: _ALIVE | _ANY_TIME,
    _S.CREATING: _ALIVE | _ANY_TIME,
    _S.RUNNING: _ALIVE | _ANY_TIME,
    _S.STOPPED: _ALIVE | _ANY_TIME,
    _S.MISSING: _ALIVE | _ANY_TIME,
    _S.FAILED: _ALIVE | _ANY_TIME,
    _S.DELETING: frozenset({_S.DELETED, _S.PENDING, _S.UNKNOWN}),
    _S.DELETED: frozenset({_S.PENDING, _S.DELETING}),
    _S.UNKNOWN: _ALIVE | _ANY_TIME | {_S.DELETED},
}

#: A server in one of these changes only after a new event.
SETTLED = frozenset({_S.RUNNING, _S.STOPPED, _S.MISSING, _S.FAILED, _S.DELETED})


class IllegalMove(ZedopsError):
    """A status cannot follow the one before it."""

    def __init__(self, server_id: str, before: Status, after: Status) -> None:
        super().__init__(f"server {server_id}: {before} cannot become {after}; this is a bug")


def new_state(server_id: str, host: str | None, now: datetime) -> State:
    """Make the first state of a new server."""
    return State(id=server_id, status=Status.PENDING, host=host, since=_second(now))


def mark_deleted(state: State, now: datetime, *rules: Settings) -> State:
    """Turn a removed definition into a tombstone; its data stays.

    `rules` are the settings before and after a push; the stricter ones bind.
    """
    if state.deleted_at is not None:
        return state
    buried = _moved(state, Status.DELETING, now, deleted_at=_second(now))
    return keep(buried, *rules) if rules else buried


def keep(state: State, *rules: Settings) -> State:
    """Record in a tombstone the stricter retention and purge of some settings."""
    if state.deleted_at is None:
        return state
    longest = timedelta(seconds=max(each.retention for each in rules))
    return state.model_copy(update={
        "kept_until": _second(state.deleted_at + longest),
        "purge_data": all(each.purge_data for each in rules),
    })


def due(state: State, settings: Settings) -> datetime | None:
    """Return the end of a tombstone's retention: later settings can only lengthen it."""
    if state.deleted_at is None:
        return None
    ends = state.deleted_at + timedelta(seconds=settings.retention)
    return ends if state.kept_until is None else max(ends, state.kept_until)


def purges_data(state: State, settings: Settings) -> bool:
    """Say whether the retention's end removes data: the settings at the deletion must agree."""
    return settings.purge_data and (state.kept_until is None or state.purge_data)


def put_off(state: State, by: timedelta) -> State:
    """Move the times of a tombstone that a wrong clock dated."""
    if state.deleted_at is None:
        return state
    kept = state.kept_until and state.kept_until + by
    return state.model_copy(update={"deleted_at": state.deleted_at + by, "kept_until": kept})


def restore(state: State, now: datetime) -> State:
    """Bring a deleted server back: same id, same data, nothing applied yet."""
    ended = {"deleted_at": None, "kept_until": None, "purge_data": False}
    return _moved(state, Status.PENDING, now, **ended, container=None, commit=None)


def reopen(state: State, now: datetime) -> State:
    """Resume a deletion: the host still shows a container of the deleted server."""
    message = "its host shows a container of this server; removing it"
    return _moved(state, Status.DELETING, now, message=message)


def move(state: State, host: str | None, at: datetime) -> State:
    """Restart a server's life on another host, after the host before has removed it."""
    nothing = {"container": None, "image": None, "commit": None}
    return _moved(state, Status.PENDING, at, host=host, **nothing)


def lose(state: State, host: str, at: datetime, *, purges: bool = False) -> State:
    """Mark a server whose host does not answer; keep its last facts."""
    silent = f"host {host!r} has not answered since {format_time(at)}"
    if state.status is Status.DELETED and purges:
        return _moved(state, state.status, at, message=f"{PURGE_WAITS}: {silent}")
    if state.status in (Status.PENDING, Status.DELETED, Status.UNKNOWN):
        return state
    return _moved(state, Status.UNKNOWN, at, message=f"{silent}; the last facts stand")


def fold(state: State, report: ServerReport, goal: Goal) -> State:
    """Apply one report of a server to its state."""
    status = _status(state, report, goal)
    facts: dict[str, object] = {}
    if report.data_exists is not None:
        facts |= {"data_exists": report.data_exists, "data_lost": report.data_lost}
    if report.container is not None:
        facts |= _named(report.container)
    elif status in (Status.MISSING, Status.DELETED):
        facts["container"] = None
    if report.backup is not None and _is_backup(report.backup):
        facts["backup"] = report.backup
    if report.applied and COMMIT.fullmatch(report.about):
        facts["commit"] = report.about
    message = _message(status, report, goal)
    if message is None and status is state.status:
        is_back = state.data_lost and report.data_exists is not None and not report.data_lost
        is_over = report.activity is None and _holds_on(state.message)
        message = None if is_back or is_over else state.message
    return _moved(state, status, report.at, **facts, message=message)


def _holds_on(message: str | None) -> bool:
    """Say whether a message holds only while reports repeat it; others tell of the past."""
    said = message or ""
    begins = (
        NOT_APPLIED, NOT_AGAIN, UNHEALTHY, STARTING, PURGE_WAITS, BACKUP_FAILED, RESTORE_FAILED,
        PROOF_FAILED, MOVING, NOT_MOVED,
    )
    return said.startswith(begins) or said.endswith(LEFT_SO) or UNSEEN in said


def _named(container: ContainerFacts) -> dict[str, object]:
    """Return a container's id and image if they are well-formed: a host can send any text."""
    short = container.id[:12]
    return {
        "container": short if CONTAINER.fullmatch(short) else None,
        "image": container.image if IMAGE_SEEN.fullmatch(container.image) else None,
    }


def _is_backup(said: str) -> bool:
    """Say whether a text is a backup as zedops writes it: a host can send any text."""
    try:
        checked_last(said)
    except ValueError:
        return False
    return True


def _status(state: State, report: ServerReport, goal: Goal) -> Status:
    container = report.container
    if goal.ends:
        gone = container is None and report.activity is None and report.failure is None
        return Status.DELETED if gone else Status.DELETING
    if report.failure is not None:
        # a stopped server needs no new container, so this failure does not matter
        rests = goal is Goal.STOPPED and container is not None and not container.running
        return Status.STOPPED if rests else Status.FAILED
    if report.data_lost and (container is None or not container.running):
        return Status.MISSING
    if report.activity is Activity.CREATING:
        return Status.CREATING
    if container is not None:
        if report.activity is Activity.BACKUP and state.status is Status.RUNNING:
            return state.status  # a stop for a backup is no news: the server starts again after it
        return Status.RUNNING if container.running else Status.STOPPED
    if state.commit is not None:
        return Status.MISSING
    return state.status if state.status in _ALIVE else Status.PENDING


def _message(status: Status, report: ServerReport, goal: Goal) -> str | None:
    if status is Status.STOPPED and report.failure:
        return brief(f"{NOT_APPLIED}{report.failure}")
    if said := report.failure or report.note:
        return brief(said)
    container = report.container
    if status is Status.STOPPED and goal is Goal.RUNNING and container is not None:
        return _how_it_ended(container)
    return None


def _how_it_ended(container: ContainerFacts) -> str:
    """Describe the end of a process that zedops did not stop; SIGKILL leaves no time to save."""
    code = container.exit_code
    if code is None:
        return "its container was made and not started"
    memory = ", out of memory" if container.oom_killed else ""
    lost = "; it was killed, and may have lost progress" if code == _SIGKILLED else ""
    return f"stopped outside zedops, exit code {code}{memory}{lost}"


def _moved(state: State, status: Status, at: datetime, **facts: object) -> State:
    if status is not state.status:
        if status not in MOVES[state.status]:
            raise IllegalMove(state.id, state.status, status)
        facts = {"message": None, **facts, "since": _second(at)}
    return state.model_copy(update={**facts, "status": status})


def _second(at: datetime) -> datetime:
    """Cut a time to whole seconds, as the file stores it: writing and reading must agree."""
    return at.replace(microsecond=0)
