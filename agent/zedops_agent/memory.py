"""The agent's memory of a server, which survives a crash, and its change by each look. Pure.

Only facts that no later look can see live here: the answered restart request, failures and their
times, the number of a container's crashes, and data that was once there.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pydantic import Field

from zedops.protocol.sync import DesiredServer, Goal, Message
from zedops.spec.change import is_made_for
from zedops_agent.observed import Container, DataVolume, Inode, Observed, Phase, Presence
from zedops_agent.stops import Stopping

#: This number of crashes within the window ends an update, or begins the waits between starts.
CRASH_BUDGET = 3
CRASH_WINDOW_S = 600.0
#: Waits between attempts: 1 s, doubled each time, up to 5 min.
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 300.0
#: A container has proven itself after a run of this length; only then the previous one goes.
PROVEN_S = 10.0
#: Crashes before a run of this length say nothing about the next one.
STABLE_S = 300.0
#: These words begin the log in a failure's text; the log differs each time.
LAST_LINES = "; last log lines:"
_NO_RETURN = "; the previous container does not start either:"
#: An id that the Engine makes up for each try.
_AN_ID = re.compile(r"[0-9a-f]{12,}")


class Failure(Message):
    """The failure of the last attempt.

    `retry_at` None: the previous container came back, and only an edit or a retry tries again.
    """

    text: str
    commit: str
    hash: str
    asked: str | None = None  #: the hash, restart and rebuild that failed; None in old memories
    goal: Goal | None = None  #: the goal of the attempt
    attempts: int = 1
    at: datetime | None = None
    crashed: bool = False  #: it started, and ended by itself
    served: bool = False  #: the previous container ran when this failed
    retry_at: datetime | None = None
    not_before: datetime | None = None  #: the return of the previous container waits, too


class Restarting(Message):
    """A restart that has begun: the token, and the start time of the old process."""

    token: str
    started_at: datetime | None


class Memory(Message):
    """An agent's memory of one server."""

    created: bool = False  #: zedops has made a container from a definition at least once
    data_seen: tuple[str, ...] = ()  #: data volumes that held data at least once
    goal: Goal | None = None  #: the goal last reached
    name: str = ""  #: the server's name then
    applied: str = ""  #: hash of the definition that reached the goal
    restart: str | None = None  #: the restart token last answered
    restarting: Restarting | None = None
    stopping: Stopping | None = None  #: a stop that has begun
    failure: Failure | None = None
    crashes: tuple[datetime, ...] = ()
    asked: str = ""  #: the request of those crashes and tries
    tries: int = 0  #: waits in a row for a server that crashes
    ended: datetime | None = None  #: start of the last run with an end that zedops counted itself
    proven: str | None = None  #: id of the last container that has proven itself
    bad: str = ""  #: hash of the definition that failed before this one
    ran: dict[str, str] = Field(default={})  #: id of the last image that ran, by image name
    rebuilt: str | None = None  #: the rebuild token last answered
    adopted: str | None = None  #: id of the adopted container
    counted: tuple[str, int] = ("", 0)  #: container and its restart count at the last look
    ahead: tuple[datetime, datetime] | None = None  #: a start in the future, and its first look
    #: The directory of each data volume when it last held data.
    places: dict[str, Inode] = Field(default={})
    #: The first process with another directory than the path now has; zedops restarts it. If the
    #: next process shows the same, this host cannot compare the two.
    hidden: str = ""


def matches(container: Container, want: DesiredServer) -> bool:
    """Say whether a container matches a definition."""
    rebuild = want.definition.rebuild
    made = is_made_for(container.definition, container.rebuild, want.hash, rebuild)
    return made and not container.stale and not container.unfinished


def asked(want: DesiredServer) -> str:
    """Name the request without its commit: failures and crashes belong to the request."""
    definition = want.definition
    return f"{want.hash} {definition.restart or ''} {definition.rebuild or ''}"


def remember(memory: Memory, want: DesiredServer, seen: Observed, now: datetime) -> Memory:
    """Add one look to memory."""
    mine = [each for each in seen.containers if matches(each, want)]
    current = max(mine, key=lambda each: each.up, default=None)
    memory = _judged_anew(memory, want, now)
    update: dict[str, object] = {}
    held = {each.key for each in seen.volumes if _holds(each)}
    if not held <= set(memory.data_seen):
        update["data_seen"] = tuple(sorted(held | set(memory.data_seen)))
    update |= _know_places(memory, seen, current)
    if current is not None and memory.counted[0] != current.id:
        # the creation of a container for this definition answers its restart, too
        update |= {"created": True, "restart": want.definition.restart}
    if memory.restarting is not None and current is not None:
        begun = memory.restarting
        if current.running and current.started_at != begun.started_at:
            update |= {"restart": begun.token, "restarting": None}
    if memory.stopping is not None and not _goes_on(memory.stopping, seen):
        update["stopping"] = None
    if current is not None:
        if current.started_at is not None and began(memory, current.started_at, now) > now:
            update["ahead"] = (current.started_at, now)
        update |= _count_crashes(memory, want, current, now)
        update |= _images(memory, want, current, now)
    proven = [each.id for each in seen.containers if ran_s(memory, each, now) >= PROVEN_S]
    if proven and memory.proven not in proven:
        update["proven"] = proven[0]
    known = memory.model_copy(update=update)
    return known.model_copy(update={"failure": known.failure and _in_reach(known.failure, now)})


def _goes_on(stop: Stopping, seen: Observed) -> bool:
    return any(stop.is_of(each) and each.up for each in seen.containers)


def _images(
    memory: Memory, want: DesiredServer, current: Container, now: datetime
) -> dict[str, object]:
    """Keep the id of the running image; keep the former one until this one has proven itself."""
    if not current.running or not current.image:
        return {}
    ran = {want.definition.image: current.image}
    if ran_s(memory, current, now) < PROVEN_S:
        ran = {**memory.ran, **ran}
    rebuilt = want.definition.rebuild
    known = (ran, rebuilt) == (memory.ran, memory.rebuilt)
    return {} if known else {"ran": ran, "rebuilt": rebuilt}


def _judged_anew(memory: Memory, want: DesiredServer, now: datetime) -> Memory:
    """Forget failures and crashes of an earlier request.

    The commit does not count: after a restart, the manager may name another one. A server that was
    stopped meanwhile and must run again gets a try at once.
    """
    failure, wish = memory.failure, asked(want)
    was = failure.asked if failure and failure.asked else memory.asked
    known = failure.hash if failure else was.partition(" ")[0]
    if (was and was != wish) or (known and known != want.hash):
        is_bad = failure is not None or bool(memory.crashes)
        bad = known if is_bad and known != want.hash else memory.bad
        none = {"failure": None, "crashes": (), "tries": 0, "asked": wish, "bad": bad}
        return memory.model_copy(update=none)
    update: dict[str, object] = {} if memory.asked == wish else {"asked": wish}
    if failure is not None and want.goal.ends and failure.goal is not want.goal:
        update["failure"] = None
    elif failure is not None and (failure.asked, failure.goal) != (wish, want.goal):
        again = failure.retry_at if want.goal is not Goal.RUNNING else failure.retry_at and now
        changed = {"asked": wish, "goal": want.goal, "retry_at": again}
        update["failure"] = failure.model_copy(update=changed)
    return memory.model_copy(update=update) if update else memory


def ran_s(memory: Memory, container: Container, now: datetime) -> float:
    """Compute the length of the present run of a container; 0.0 if it does not run."""
    if not container.running or container.started_at is None:
        return 0.0
    return (now - began(memory, container.started_at, now)).total_seconds()


def may_return(previous: Container | None, memory: Memory) -> bool:
    """Say whether the previous container may come back: it has no known failure."""
    if previous is None:
        return False
    return previous.id == memory.proven or previous.definition != memory.bad


def is_watched(memory: Memory, seen: Observed, now: datetime) -> bool:
    """Say whether a server that kept crashing runs again, and has not proven itself yet."""
    if memory.failure is None or not memory.failure.crashed:
        return False
    return all(ran_s(memory, each, now) < PROVEN_S for each in seen.containers)


def _know_places(memory: Memory, seen: Observed, current: Container | None) -> dict[str, object]:
    places = {
        each.key: each.identity for each in seen.volumes
        if each.identity is not None and each.marker is Presence.PRESENT and _holds(each)
    }
    update: dict[str, object] = {}
    if not places.items() <= memory.places.items():
        update["places"] = {**memory.places, **places}
    if current is not None and current.running:
        is_hidden = _is_hidden(current, seen)
        if is_hidden != bool(memory.hidden):
            update["hidden"] = process(current) if is_hidden else ""
    return update


def process(current: Container) -> str:
    """Name the present process of a container."""
    return f"{current.id[:12]} {current.started_at}"


def _is_hidden(current: Container, seen: Observed) -> bool:
    """Say whether a running container's data volume is another directory than its path now is."""
    return any(
        each.marker is Presence.PRESENT and each.identity is not None
        and current.seat(each.key) not in (None, each.identity)
        for each in seen.volumes
    )


def began(memory: Memory, started_at: datetime, now: datetime) -> datetime:
    """Compute the start time of a process by the present clock.

    A start in the future comes from a clock that was set back since, or from another machine. Then
    the time of the first look counts. A result later than `now` means: no look has seen it yet.
    """
    if started_at > now and memory.ahead is not None and memory.ahead[0] == started_at:
        return memory.ahead[1]
    return started_at


def left_s(again_at: datetime, now: datetime) -> float:
    """Compute the remaining wait: never above the longest one, though the clock was set back."""
    return max(0.0, min((again_at - now).total_seconds(), RETRY_MAX_S))


def _in_reach(failure: Failure, now: datetime) -> Failure:
    """Limit the remaining waits to their intended length, though the clock was set back."""
    latest = now + timedelta(seconds=_wait_s(failure.attempts))
    times = {"retry_at": failure.retry_at, "not_before": failure.not_before}
    return failure.model_copy(update={key: at and min(at, latest) for key, at in times.items()})


def _wait_s(attempts: int) -> float:
    doublings = min(attempts - 1, 16)  # a float cannot hold the doublings of a week
    return min(RETRY_FIRST_S * 2.0**doublings, RETRY_MAX_S)


def _holds(volume: DataVolume) -> bool:
    """Say whether a volume holds this server's data: a person's own place counts once marked."""
    there = volume.content is Presence.PRESENT
    return there and (volume.own_place or volume.marker is Presence.PRESENT)


def _count_crashes(
    memory: Memory, want: DesiredServer, current: Container, now: datetime
) -> dict[str, object]:
    """Count crashes by the Engine's restart counter, which also counts without an agent.

    A container's first look, and a run that has proven itself, bring no old crashes. For containers
    that the Engine does not start again, this counts the ends of their runs.
    """
    container_id, count = memory.counted
    is_old = current.adopted or current.id == memory.proven
    before = count if container_id == current.id else current.restart_count if is_old else 0
    if current.restart_count < before:  # a start by hand, or by zedops, begins at 0
        before = 0
    was_stopped = memory.failure is not None and memory.failure.crashed and not current.up
    fresh = 0 if was_stopped else current.restart_count - before
    update: dict[str, object] = {}
    if died(current) and memory.ended != current.started_at:
        own = memory.stopping is not None and memory.stopping.is_of(current)
        fresh += want.goal is Goal.RUNNING and not own
        update["ended"] = current.started_at
    if ran_s(memory, current, now) >= STABLE_S and not fresh:
        return {"crashes": (), "tries": 0, "counted": (current.id, current.restart_count)}
    horizon = now - timedelta(seconds=CRASH_WINDOW_S)
    # an end in the future is from before the clock was set back
    recent = tuple(min(at, now) for at in memory.crashes if at > horizon)
    counted = (current.id, current.restart_count)
    if not fresh and recent == memory.crashes and counted == memory.counted:
        return update
    update |= {"crashes": (*recent, *([now] * min(fresh, CRASH_BUDGET))), "counted": counted}
    return update


def died(container: Container) -> bool:
    """Say whether a container ended that the Engine must not start again."""
    policy = container.ceilings.restart_policy if container.ceilings else ""
    return container.phase is Phase.EXITED and policy == "no"


def failed(
    memory: Memory, want: DesiredServer, text: str, now: datetime, *, retry: bool,
    ran_s: float | None = None, served: bool = False,
) -> Memory:
    """Record a failed attempt; `retry` is False if a previous container comes back instead.

    `ran_s` is the length of the run before a crash; None for other failures. Waits double, but a
    wait after a long run is no longer than the run. The same failure as before keeps its text, so
    that not each attempt becomes a commit.
    """
    before, crashed = memory.failure, ran_s is not None
    attempts = max(before.attempts if before else 0, memory.tries if crashed else 0) + 1
    wait_s = _wait_s(attempts)
    if ran_s is not None and ran_s >= PROVEN_S:
        wait_s = min(wait_s, ran_s)
    wait_until = now + timedelta(seconds=wait_s)
    if before is not None and before.retry_at is None and not retry:
        # no container runs: try both the new and the previous one again, until one of them runs
        retry, served = True, False
        text = f"{before.text.partition(_NO_RETURN)[0]}{_NO_RETURN} {text}"
    if before is not None and _gist(before.text) == _gist(text):
        text = before.text
    failure = Failure(
        text=text,
        commit=want.commit,
        hash=want.hash,
        asked=asked(want),
        goal=want.goal,
        attempts=attempts,
        at=now,
        crashed=crashed,
        served=served or (before is not None and before.served and before.retry_at is not None),
        retry_at=wait_until if retry else None,
        not_before=wait_until,
    )
    tries = attempts if crashed else memory.tries
    return memory.model_copy(update={"failure": failure, "tries": tries})


def _gist(text: str) -> str:
    return _AN_ID.sub("", text.partition(LAST_LINES)[0])


def reached(memory: Memory, want: DesiredServer) -> Memory:
    """Record that a server has reached its definition: earlier failures are history."""
    update: dict[str, object] = {
        "goal": want.goal, "applied": want.hash, "failure": None, "created": True,
        "name": want.name,
    }
    if memory.failure is not None and memory.failure.crashed:
        update["crashes"] = ()  # the waits go on growing until the server is stable
    return memory.model_copy(update=update)
