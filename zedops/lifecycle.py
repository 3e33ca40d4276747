"""The life of a server: facts in, state out. Every status is decided here and nowhere else.

A definition that appears is *pending* until its host takes it up, then *creating*, then *running*
(or *stopped*, where that is asked for). From there the host's facts rule: a container that does
not run is *stopped*, one that is gone is *missing* until it is made anew, data that is gone is
*missing* for good, because a world recreated empty is a world lost. What zedops tried and could
not do is *failed*, and stays so until something succeeds. A definition that is removed becomes a
tombstone: *deleting* while its container goes, then *deleted*, its data kept. Bringing the
definition back makes it *pending* again. A host that does not answer makes its servers *unknown*
and nothing is inferred from that.

`fold` is level-triggered: it looks at the facts and not at how they came about, so reports may be
lost, doubled or late. "Could not look" (None) never changes anything. Pure: no clock, no I/O.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from zedops.errors import ZedopsError
from zedops.fields import COMMIT, CONTAINER, IMAGE_SEEN
from zedops.model import State, Status
from zedops.remarks import LEFT_SO, NOT_AGAIN, NOT_APPLIED, PURGE_WAITS, UNHEALTHY, UNSEEN
from zedops.settings import Settings
from zedops.state_block import brief, format_time
from zedops.wire import Activity, ContainerFacts, Goal, ServerReport

_S = Status
#: The exit code of a process that SIGKILL ended (128 + 9).
_SIGKILLED = 137
_ALIVE = frozenset({_S.CREATING, _S.RUNNING, _S.STOPPED, _S.MISSING, _S.FAILED})
_ANY_TIME = frozenset({_S.DELETING, _S.UNKNOWN, _S.PENDING})

#: From which status a server may move to which. Everything else is a bug, and says so.
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

#: Nothing more happens by itself in these.
SETTLED = frozenset({_S.RUNNING, _S.STOPPED, _S.MISSING, _S.FAILED, _S.DELETED})


class IllegalMove(ZedopsError):
    """A status that cannot follow the one before it."""

    def __init__(self, server_id: str, before: Status, after: Status) -> None:
        super().__init__(f"server {server_id}: {before} cannot become {after}; this is a bug")


def born(server_id: str, host: str | None, now: datetime) -> State:
    """Begin the life of a server that no one has seen before."""
    return State(id=server_id, status=Status.PENDING, host=host, since=_second(now))


def bury(state: State, now: datetime, *rules: Settings) -> State:
    """Turn a removed definition into a tombstone; its data stays.

    Of several `rules`, those before and after a push, the stricter ones bind.
    """
    if state.deleted_at is not None:
        return state
    buried = _moved(state, Status.DELETING, now, deleted_at=_second(now))
    return keep(buried, *rules) if rules else buried


def keep(state: State, *rules: Settings) -> State:
    """Write down what a tombstone is kept for by the stricter of some rules."""
    if state.deleted_at is None:
        return state
    longest = timedelta(seconds=max(each.retention for each in rules))
    return state.model_copy(update={
        "kept_until": _second(state.deleted_at + longest),
        "purge_data": all(each.purge_data for each in rules),
    })


def due(state: State, settings: Settings) -> datetime | None:
    """Say when the retention of a tombstone ends: later settings may lengthen it only."""
    if state.deleted_at is None:
        return None
    ends = state.deleted_at + timedelta(seconds=settings.retention)
    return ends if state.kept_until is None else max(ends, state.kept_until)


def purges_data(state: State, settings: Settings) -> bool:
    """Say whether the data goes when a retention ends: only if that held at the deletion, too."""
    return settings.purge_data and (state.kept_until is None or state.purge_data)


def put_off(state: State, by: timedelta) -> State:
    """Move the times of a tombstone, whose clock was wrong."""
    if state.deleted_at is None:
        return state
    kept = state.kept_until and state.kept_until + by
    return state.model_copy(update={"deleted_at": state.deleted_at + by, "kept_until": kept})


def revive(state: State, now: datetime) -> State:
    """Bring a deleted server back: same id, same data, nothing applied yet."""
    ended = {"deleted_at": None, "kept_until": None, "purge_data": False}
    return _moved(state, Status.PENDING, now, **ended, container=None, commit=None)


def reopen(state: State, now: datetime) -> State:
    """Take up a deletion again: its host shows a container of the deleted server."""
    message = "a container of it was found on its host after all; removing it"
    return _moved(state, Status.DELETING, now, message=message)


def move(state: State, host: str | None, at: datetime) -> State:
    """Begin anew on another host, once nothing is left on the one before."""
    nothing = {"container": None, "image": None, "commit": None}
    return _moved(state, Status.PENDING, at, host=host, **nothing)


def lose(state: State, host: str, at: datetime, *, purges: bool = False) -> State:
    """Mark a server of a host that does not answer: the last facts stand, nothing is inferred."""
    silent = f"host {host!r} has not answered since {format_time(at)}"
    if state.status is Status.DELETED and purges:
        return _moved(state, state.status, at, message=f"{PURGE_WAITS}: {silent}")
    if state.status in (Status.PENDING, Status.DELETED, Status.UNKNOWN):
        return state
    return _moved(state, Status.UNKNOWN, at, message=f"{silent}; the last facts stand")


def fold(state: State, report: ServerReport, goal: Goal) -> State:
    """Take one report of a server into its state."""
    status = _status(state, report, goal)
    facts: dict[str, object] = {}
    if report.data_exists is not None:
        facts |= {"data_exists": report.data_exists, "data_lost": report.data_lost}
    if report.container is not None:
        facts |= _named(report.container)
    elif status in (Status.MISSING, Status.DELETED):
        facts["container"] = None
    if report.applied and COMMIT.fullmatch(report.about):
        facts["commit"] = report.about
    message = _message(status, report, goal)
    if message is None and status is state.status:
        is_back = state.data_lost and report.data_exists is not None and not report.data_lost
        is_over = report.activity is None and _holds_on(state.message)
        message = None if is_back or is_over else state.message
    return _moved(state, status, report.at, **facts, message=message)


def _holds_on(message: str | None) -> bool:
    """Say whether a message tells of what is so as long as it is said; others tell what was."""
    said = message or ""
    begins = (NOT_APPLIED, NOT_AGAIN, UNHEALTHY, PURGE_WAITS)
    return said.startswith(begins) or said.endswith(LEFT_SO) or UNSEEN in said


def _named(container: ContainerFacts) -> dict[str, object]:
    """Take a container's names as far as they have the shape of one: a host may say anything."""
    short = container.id[:12]
    return {
        "container": short if CONTAINER.fullmatch(short) else None,
        "image": container.image if IMAGE_SEEN.fullmatch(container.image) else None,
    }


def _status(state: State, report: ServerReport, goal: Goal) -> Status:
    container = report.container
    if goal.ends:
        gone = container is None and report.activity is None and report.failure is None
        return Status.DELETED if gone else Status.DELETING
    if report.failure is not None:
        # nothing has to be made for a stop
        rests = goal is Goal.STOPPED and container is not None and not container.running
        return Status.STOPPED if rests else Status.FAILED
    if report.data_lost and (container is None or not container.running):
        return Status.MISSING
    if report.activity is Activity.CREATING:
        return Status.CREATING
    if container is not None:
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
    """Say how a process ended that zedops did not stop; SIGKILL leaves no time to save."""
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
    """Cut a time to what the file holds, so that what is read back is the same."""
    return at.replace(microsecond=0)
