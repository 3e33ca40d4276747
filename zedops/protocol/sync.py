"""The messages between manager and agent, over any transport; `requests` has the requests.

Every message is a frozen, versioned model. The manager sends whole documents, never deltas: the
next one repairs a lost one, and `(epoch, rev)` orders them. An agent reports facts, never a
verdict: `lifecycle` derives the status.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from zedops.protocol.message import Message
from zedops.protocol.moves import MoveFacts, MoveOrder
from zedops.spec.backup import Repository
from zedops.spec.fields import Name, ServerId
from zedops.spec.model import Definition, Drift

#: Increased when an older peer could misread a message; a transport refuses any other version.
#: `revisions` counts the optional fields within one version.
VERSION = 1


#: How far an epoch may lie ahead of a host's clock, in seconds.
AHEAD_S = 600.0


class Goal(StrEnum):
    """The goal of a host for one server."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"  #: stop and remove the container, keep the data
    PURGED = "purged"  #: the same, then remove the data, on a person's request

    @property
    def ends(self) -> bool:
        """Say whether the goal removes the container."""
        return self in (Goal.DELETED, Goal.PURGED)


class DesiredServer(Message):
    """One server as its host must make it: presets, defaults and `${…}` already resolved."""

    id: ServerId  #: names directories of the host
    name: Name
    goal: Goal
    definition: Definition
    hash: str  #: `model.definition_hash` of the resolved definition
    commit: str  #: newest commit that changed the definition
    created: bool  #: a host applied it before: an empty data volume would be a loss
    data_expected: bool  #: a host saw its data before
    drift: Drift
    #: The fleet's repository for its backups; None: the host's own.
    repository: Repository | None = None
    timezone: str = "UTC"  #: of the schedules in the definition
    kept_s: float = 86400.0  #: how long a world that a restore replaced is kept
    #: This host's part in a move of the server's world to another host.
    move: MoveOrder | None = None


class DesiredDocument(Message):
    """All servers of one host. The greater `(epoch, rev)` is newer; equal ones are the same."""

    version: Literal[1] = 1
    fleet: Name
    host: Name
    epoch: int
    rev: int
    hub: str | None = None  #: tells fleets of the same name apart, in containers' labels
    servers: dict[ServerId, DesiredServer] = Field(default={})

    @property
    def stamp(self) -> tuple[int, int]:
        """The order of documents: epoch, then rev."""
        return self.epoch, self.rev


def supersedes(new: tuple[int, int], held: tuple[int, int], now: datetime) -> bool:
    """Say whether a document replaces the one that a host holds, by their stamps.

    An epoch is a time, or slightly later. An epoch far ahead of the clock comes from a manager with
    a wrong clock, or from an attacker: it must not lock out the fleet's own manager for good.
    """
    latest = now.timestamp() + AHEAD_S
    return new > held or new[0] <= latest < held[0]


class Activity(StrEnum):
    """The action that an agent has under way."""

    CREATING = "creating"
    REMOVING = "removing"
    OTHER = "other"
    BACKUP = "backup"  #: a backup or a restore, for which the server may be down for a while


#: Short text that may go into a state; `lifecycle` checks its form.
Word = Annotated[str, Field(max_length=256)]


class ContainerFacts(Message):
    """A server's container, as the Engine reports it."""

    id: Word
    running: bool
    image: Word
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**32)] | None = None
    oom_killed: bool = False


class ServerReport(Message):
    """Facts about one server at one time. None means: the agent could not look."""

    id: ServerId
    at: AwareDatetime
    container: ContainerFacts | None = None
    data_exists: bool | None = None
    data_lost: bool = False  #: expected data is missing; the agent does not start the server
    activity: Activity | None = None
    failure: str | None = None  #: the reason of the last failed attempt; stays until one succeeds
    note: str | None = None  #: one line for the state: recovered, stopped by hand
    about: Word  #: the commit of the definition that this report is about
    goal: Goal | None = None  #: the goal at that time
    under: tuple[int, int] | None = None  #: stamp of the document with that goal
    backup: Word | None = None  #: the last good backup, as `backup.LastBackup` writes it
    applied: bool = False  #: the host runs that definition, with no work left
    move: MoveFacts | None = None  #: how far this host is with a move of its world

    @property
    def is_gone(self) -> bool:
        """Say whether the host saw that it has no container of the server left."""
        return self.activity is None and self.failure is None and self.container is None


class Report(Message):
    """The observations of an agent. Idempotent; a full one covers every server of the host."""

    version: Literal[1] = 1
    host: Name
    servers: tuple[ServerReport, ...]
    full: bool = False


class Progress(Message):
    """Progress of long work, for people who wait; never stored."""

    host: Name
    id: str
    text: str


class Hello(Message):
    """An agent asks for its document."""

    version: Literal[1] = 1
    host: Name
    epoch: int = 0
    rev: int = 0
    zedops: str = ""  #: the agent's release


class Heartbeat(Message):
    """An agent is alive and holds this document."""

    host: Name
    epoch: int
    rev: int


class HeartbeatReply(Message):
    """The stamp of the newest document; an agent with another one asks for it."""

    epoch: int
    rev: int
    want_report: bool = False
