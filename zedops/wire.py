"""What manager and agent say to each other, over any transport; questions are in `calls`.

Every message is a frozen, versioned model. The manager sends whole documents, never deltas, so a
lost message is repaired by the next one; `(epoch, rev)` orders them. An agent reports facts and
never a verdict: which status they amount to is decided in `lifecycle`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from zedops.fields import Lean, Name, ServerId
from zedops.model import Definition, Drift

#: Raised when an older peer could misread a message; a transport refuses any other, saying so.
VERSION = 1


#: So far ahead of a host's clock an epoch is believed, in seconds.
AHEAD_S = 600.0


class Message(Lean):
    """Frozen, and strict about unknown keys within one version."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Goal(StrEnum):
    """What a host is to bring about for one server."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"  #: stop and remove the container, leave the data alone
    PURGED = "purged"  #: the same, then remove the data: somebody asked for that

    @property
    def ends(self) -> bool:
        """Say whether the container is to go."""
        return self in (Goal.DELETED, Goal.PURGED)


class DesiredServer(Message):
    """One server as its host must make it: presets, defaults and `${…}` already resolved."""

    id: ServerId  #: names directories of the host
    name: Name
    goal: Goal
    definition: Definition
    hash: str  #: `model.definition_hash` of the resolved definition
    commit: str  #: newest commit that changed the definition
    created: bool  #: it was applied before: an empty data volume would be a loss
    data_expected: bool  #: its data was seen before
    drift: Drift


class DesiredDocument(Message):
    """Everything one host is to run. Newer is `(epoch, rev)` greater; equal is the same."""

    version: Literal[1] = 1
    fleet: Name
    host: Name
    epoch: int
    rev: int
    hub: str | None = None  #: which fleet of this name it is: goes into containers' labels
    servers: dict[ServerId, DesiredServer] = Field(default={})

    @property
    def stamp(self) -> tuple[int, int]:
        """Order documents: epoch first."""
        return self.epoch, self.rev


def supersedes(new: tuple[int, int], held: tuple[int, int], now: datetime) -> bool:
    """Say whether a document is to take the place of the one that a host holds, by their stamps.

    An epoch is a time, or a little more. One that lies far ahead of the clock is of a manager
    whose clock was wrong, or of a thief: it does not keep the fleet's own manager out for good.
    """
    latest = now.timestamp() + AHEAD_S
    return new > held or new[0] <= latest < held[0]


class Activity(StrEnum):
    """What an agent is in the middle of."""

    CREATING = "creating"
    REMOVING = "removing"
    OTHER = "other"


#: What may go into a state as it is: of which form, `lifecycle` says.
Word = Annotated[str, Field(max_length=256)]


class ContainerFacts(Message):
    """A server's container, as the Engine shows it."""

    id: Word
    running: bool
    image: Word
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**32)] | None = None
    oom_killed: bool = False


class ServerReport(Message):
    """Facts about one server at one moment. None means: could not look."""

    id: ServerId
    at: AwareDatetime
    container: ContainerFacts | None = None
    data_exists: bool | None = None
    data_lost: bool = False  #: data that must be there is not; the agent will not start it
    activity: Activity | None = None
    failure: str | None = None  #: why the last attempt failed; stands until something succeeds
    note: str | None = None  #: one line worth keeping: recovered, stopped by hand
    about: Word  #: the definition's commit this is about
    goal: Goal | None = None  #: what was to be brought about
    under: tuple[int, int] | None = None  #: stamp of the document that asked for that
    applied: bool = False  #: that definition is what the host has, and nothing is left to do


class Report(Message):
    """What an agent observed. Idempotent; a full one covers every server of the host."""

    version: Literal[1] = 1
    host: Name
    servers: tuple[ServerReport, ...]
    full: bool = False


class Progress(Message):
    """How far long work has come; shown to whoever watches, never kept."""

    host: Name
    id: str
    text: str


class Hello(Message):
    """An agent asks for its document."""

    version: Literal[1] = 1
    host: Name
    epoch: int = 0
    rev: int = 0
    zedops: str = ""  #: which release asks


class Heartbeat(Message):
    """An agent is alive and holds this document."""

    host: Name
    epoch: int
    rev: int


class HeartbeatReply(Message):
    """What the agent should hold; it asks again where that differs."""

    epoch: int
    rev: int
    want_report: bool = False
