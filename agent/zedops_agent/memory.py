"""What an agent must still know after a crash, and how each look changes it. Pure.

Only what cannot be seen by looking again lives here: which restart request was answered, what
failed and when, how often a container crashed, that data was once there.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from zedops.change import is_made_for
from zedops.wire import DesiredServer, Goal, Message
from zedops_agent.observed import Container, DataVolume, Observed, Presence
from zedops_agent.stops import Stopping

#: So many crashes within the window, and zedops stops trying.
CRASH_BUDGET = 3
CRASH_WINDOW_S = 600.0
#: Waits between attempts: 10 s, doubled each time, up to 10 min.
RETRY_FIRST_S = 10.0
RETRY_MAX_S = 600.0


class Failure(Message):
    """Why the last attempt failed. `retry_at` None: only a new commit tries again."""

    text: str
    commit: str
    hash: str
    goal: Goal | None = None  #: what was tried to be reached
    attempts: int = 1
    retry_at: datetime | None = None
    not_before: datetime | None = None  #: bringing the previous container back waits as well


class Restarting(Message):
    """A restart that was begun: the token, and when the process to be ended had started."""

    token: str
    started_at: datetime | None


class Memory(Message):
    """An agent's memory of one server."""

    created: bool = False  #: a container was made from a definition at least once
    data_seen: tuple[str, ...] = ()  #: data volumes that held something at least once
    goal: Goal | None = None  #: the goal last reached
    applied: str = ""  #: hash of the definition with which it was reached
    restart: str | None = None  #: the restart token last answered
    restarting: Restarting | None = None
    stopping: Stopping | None = None  #: the stop that was begun
    failure: Failure | None = None
    crashes: tuple[datetime, ...] = ()
    adopted: str | None = None  #: id of the container that was taken over from somebody else
    counted: tuple[str, int] = ("", 0)  #: container and its restart count at the last look
    ahead: tuple[datetime, datetime] | None = None  #: a start in the future, and when it was seen


def matches(container: Container, want: DesiredServer) -> bool:
    """Say whether a container is the one that a definition asks for."""
    rebuild = want.definition.rebuild
    made = is_made_for(container.definition, container.rebuild, want.hash, rebuild)
    return made and not container.stale and not container.unfinished


def remember(memory: Memory, want: DesiredServer, seen: Observed, now: datetime) -> Memory:
    """Take one look into memory."""
    mine = [each for each in seen.containers if matches(each, want)]
    current = max(mine, key=lambda each: each.up, default=None)
    update: dict[str, object] = {}
    held = {each.key for each in seen.volumes if _holds(each)}
    if not held <= set(memory.data_seen):
        update["data_seen"] = tuple(sorted(held | set(memory.data_seen)))
    if current is not None and memory.counted[0] != current.id:
        # a container made for this very definition has answered its restart by being made
        update |= {"created": True, "restart": want.definition.restart}
    if memory.failure is not None and memory.failure.commit != want.commit:
        update |= {"failure": None, "crashes": ()}
    if memory.restarting is not None and current is not None:
        begun = memory.restarting
        if current.running and current.started_at != begun.started_at:
            update |= {"restart": begun.token, "restarting": None}
    if memory.stopping is not None and not _goes_on(memory.stopping, seen):
        update["stopping"] = None
    if current is not None:
        update |= _count_crashes(memory, current, now)
        if current.started_at is not None and began(memory, current.started_at, now) > now:
            update["ahead"] = (current.started_at, now)
    known = memory.model_copy(update=update)
    return known.model_copy(update={"failure": known.failure and _in_reach(known.failure, now)})


def _goes_on(stop: Stopping, seen: Observed) -> bool:
    return any(stop.is_of(each) and each.up for each in seen.containers)


def began(memory: Memory, started_at: datetime, now: datetime) -> datetime:
    """Say when a process began by the clock as it goes now.

    A start that lies in the future was written by a clock that was put back since, or by the one
    of another machine: what counts then is when it was first seen. Later than `now`: not seen yet.
    """
    if started_at > now and memory.ahead is not None and memory.ahead[0] == started_at:
        return memory.ahead[1]
    return started_at


def left_s(again_at: datetime, now: datetime) -> float:
    """Say how long to wait still: no longer than ever, though the clock was put back since."""
    return max(0.0, min((again_at - now).total_seconds(), RETRY_MAX_S))


def _in_reach(failure: Failure, now: datetime) -> Failure:
    """Wait no longer than was meant, though the clock was put back since."""
    latest = now + timedelta(seconds=_wait_s(failure.attempts))
    times = {"retry_at": failure.retry_at, "not_before": failure.not_before}
    return failure.model_copy(update={key: at and min(at, latest) for key, at in times.items()})


def _wait_s(attempts: int) -> float:
    doublings = min(attempts - 1, 16)  # no float holds those of a week of attempts
    return min(RETRY_FIRST_S * 2.0**doublings, RETRY_MAX_S)


def _holds(volume: DataVolume) -> bool:
    """Say whether a volume holds this server's data: a place of the person's own once marked."""
    there = volume.content is Presence.PRESENT
    return there and (volume.own_place or volume.marker is Presence.PRESENT)


def _count_crashes(memory: Memory, current: Container, now: datetime) -> dict[str, object]:
    """Count by the Engine's restart counter, which misses nothing while nobody looks."""
    container_id, count = memory.counted
    before = count if container_id == current.id else 0
    fresh = max(0, current.restart_count - before)
    horizon = now - timedelta(seconds=CRASH_WINDOW_S)
    # one in the future is from before the clock was put back
    recent = tuple(min(at, now) for at in memory.crashes if at > horizon)
    counted = (current.id, current.restart_count)
    if not fresh and recent == memory.crashes and counted == memory.counted:
        return {}
    return {"crashes": (*recent, *([now] * min(fresh, CRASH_BUDGET))), "counted": counted}


def failed(
    memory: Memory, want: DesiredServer, text: str, now: datetime, *, retry: bool
) -> Memory:
    """Note a failed attempt; `retry` says whether trying again can hurt nobody."""
    attempts = memory.failure.attempts + 1 if memory.failure else 1
    wait_until = now + timedelta(seconds=_wait_s(attempts))
    failure = Failure(
        text=text,
        commit=want.commit,
        hash=want.hash,
        goal=want.goal,
        attempts=attempts,
        retry_at=wait_until if retry else None,
        not_before=wait_until,
    )
    return memory.model_copy(update={"failure": failure})


def reached(memory: Memory, want: DesiredServer) -> Memory:
    """Note that a server is where its definition wants it: what failed before is history."""
    update = {"goal": want.goal, "applied": want.hash, "failure": None, "created": True}
    return memory.model_copy(update=update)
