"""The agent's memory of a server, which survives a crash. Pure; `remember` changes it.

Only facts that no later look can see live here: the answered restart request, failures and their
times, the number of a container's crashes, and data that was once there.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from zedops.protocol.message import Message
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.change import is_made_for
from zedops_agent.observed import Container, Inode, Observed
from zedops_agent.stops import Stopping

#: A container has proven itself after a run of this length; only then the previous one goes.
PROVEN_S = 10.0


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
    ready: str = ""  #: the last process whose log has shown the line of `ready:`


def matches(container: Container, want: DesiredServer) -> bool:
    """Say whether a container matches a definition."""
    rebuild = want.definition.rebuild
    made = is_made_for(container.definition, container.rebuild, want.hash, rebuild)
    return made and not container.stale and not container.unfinished


def asked(want: DesiredServer) -> str:
    """Name the request without its commit: failures and crashes belong to the request."""
    definition = want.definition
    ready = "" if definition.ready is None else f" {definition.ready.model_dump_json()}"
    return f"{want.hash} {definition.restart or ''} {definition.rebuild or ''}{ready}"


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


def process(current: Container) -> str:
    """Name the present process of a container."""
    return f"{current.id[:12]} {current.started_at}"


def began(memory: Memory, started_at: datetime, now: datetime) -> datetime:
    """Compute the start time of a process by the present clock.

    A start in the future comes from a clock that was set back since, or from another machine. Then
    the time of the first look counts. A result later than `now` means: no look has seen it yet.
    """
    if started_at > now and memory.ahead is not None and memory.ahead[0] == started_at:
        return memory.ahead[1]
    return started_at
