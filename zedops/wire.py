"""What manager and agent say to each other, over any transport.

Every message is a frozen, versioned model. The manager sends whole documents, never deltas, so a
lost message is repaired by the next one; `(epoch, rev)` orders them. An agent reports facts and
never a verdict: which status they amount to is decided in `lifecycle`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from zedops.fields import Name
from zedops.model import Definition, Drift, Health

#: Raised when an older peer could misread a message.
VERSION: Literal[1] = 1


class Message(BaseModel):
    """Frozen, and strict about unknown keys within one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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

    id: str
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
    servers: dict[str, DesiredServer] = {}

    @property
    def stamp(self) -> tuple[int, int]:
        """Order documents: epoch first."""
        return self.epoch, self.rev


class Activity(StrEnum):
    """What an agent is in the middle of."""

    CREATING = "creating"
    REMOVING = "removing"
    OTHER = "other"


class ContainerFacts(Message):
    """A server's container, as the Engine shows it."""

    id: str
    running: bool
    image: str
    exit_code: int | None = None
    oom_killed: bool = False


class ServerReport(Message):
    """Facts about one server at one moment. None means: could not look."""

    id: str
    at: datetime
    container: ContainerFacts | None = None
    data_exists: bool | None = None
    data_lost: bool = False  #: data that must be there is not; the agent will not start it
    activity: Activity | None = None
    failure: str | None = None  #: why the last attempt failed; stands until something succeeds
    note: str | None = None  #: one line worth keeping: recovered, stopped by hand
    about: str  #: the definition's commit this is about
    goal: Goal | None = None  #: what was to be brought about
    applied: bool = False  #: the container was made from that definition


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


class LogsRequest(Message):
    """Stream a server's log: the last `tail` lines, then on and on if `follow`."""

    kind: Literal["logs"] = "logs"
    server_id: str
    tail: Annotated[int, "lines"] = 100
    follow: bool = False


class PortsRequest(Message):
    """Ask which of its ports a host has given away, to whomever."""

    kind: Literal["ports"] = "ports"


class PortUse(Message):
    """One port of a host that is taken."""

    protocol: str
    port: int
    address: str = ""  #: empty: every address of the host
    #: Who holds it, in words: `container 'mc' (stopped)`, `process 'java' (12)`.
    holder: str
    server_id: str | None = None  #: if it is a server of this fleet
    active: bool = True  #: False: a container that does not run now, and will want it back


class PortsReply(Message):
    """Every port that is taken on a host, in order."""

    kind: Literal["ports"] = "ports"
    uses: tuple[PortUse, ...]


class InventoryRequest(Message):
    """Ask for everything of this fleet on a host, whether a definition owns it or not."""

    kind: Literal["inventory"] = "inventory"


class Belonging(Message):
    """A container or a data directory that says which server of this fleet it is of."""

    server_id: str
    server_name: str
    container: str | None = None  #: name of the container; None: a data directory
    running: bool = False
    image: str | None = None
    path: str | None = None  #: of a data directory
    data_exists: bool | None = None  #: None: could not look


class InventoryReply(Message):
    """Everything of this fleet on a host."""

    kind: Literal["inventory"] = "inventory"
    belongings: tuple[Belonging, ...]


class InspectRequest(Message):
    """Ask what a container is, in the terms of a definition. Any container of the host."""

    kind: Literal["inspect"] = "inspect"
    container: str


class Mounted(Message):
    """One mount of a container: a directory or file of the host, or a named volume."""

    source: str  #: an absolute path, or a volume's name
    target: str
    read_only: bool = False
    is_directory: bool = True
    key: str | None = None  #: the volume's name, where the source is zedops' own place for it


class Shape(Message):
    """A container in the terms of a definition; what its image says already is left out.

    A variable that looks like a secret has no value here: values of secrets stay on their host.
    """

    kind: Literal["inspect"] = "inspect"
    id: str
    name: str
    image: str
    running: bool
    owner: str | None = None  #: fleet whose label it carries
    command: tuple[str, ...] | None = None
    env: dict[str, str | None] = {}
    ports: tuple[tuple[str, int, int, str], ...] = ()  #: address, host, container port, protocol
    mounts: tuple[Mounted, ...] = ()
    user: str | None = None
    hostname: str | None = None
    networks: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    memory_bytes: int = 0
    nano_cpus: int = 0
    stop_signal: str | None = None
    grace_s: float | None = None
    health: Health | None = None
    labels: dict[str, str] = {}
    unsaid: tuple[str, ...] = ()  #: what it has and no definition can say: privileged, devices


class Refusal(Message):
    """Why a call was not answered; `kind` names the error's class in `errors`."""

    kind: Literal["refusal"] = "refusal"
    error: str
    text: str


Request = Annotated[PortsRequest | InventoryRequest | InspectRequest, Field(discriminator="kind")]
Reply = PortsReply | InventoryReply | Shape

_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
_REPLY: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def read_request(said: object) -> Request:
    """Read a request from JSON's values. ValueError if it is none."""
    return _REQUEST.validate_python(said)


def read_reply(said: object) -> Reply:
    """Read a reply from JSON's values. ValueError if it is none."""
    return _REPLY.validate_python(said)
