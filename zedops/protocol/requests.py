"""Requests of the manager to a host, and the host's replies, over any transport.

A request changes nothing and may be repeated; `exec` is the exception, as it runs any command. An
error of `errors` is a reply, too. A host ignores fields that it does not know, so a request whose
new field it must not ignore gets a new `kind`, which an older host refuses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter

from zedops.errors import ZedopsError
from zedops.protocol.backups import BackupsReply, BackupsRequest
from zedops.protocol.findings import Finding
from zedops.protocol.log_lines import LINE_ID, MAX_SEARCH
from zedops.protocol.message import Message
from zedops.protocol.moves import (
    MoveFilesReply,
    MoveFilesRequest,
    MoveReadRequest,
    MoveWriteReply,
    MoveWriteRequest,
)
from zedops.protocol.terminals import TerminalRequest, TypedReply, TypeRequest
from zedops.spec.fields import Recipient, ServerId
from zedops.spec.model import Health


class LogsRequest(Message):
    """Stream a server's log: the last `tail` lines, then each new line if `follow`."""

    kind: Literal["logs"] = "logs"
    server_id: ServerId
    tail: Annotated[int, "lines"] = 100
    follow: bool = False
    since: Annotated[int | None, "seconds since 1970"] = None
    #: True: `log_lines` with ids, then the end. The rest needs it; older agents refuse it.
    lines: Literal[True] | None = None
    before: Annotated[str | None, Field(pattern=f"^{LINE_ID}$")] = None  #: lines before one
    after: Annotated[str | None, Field(pattern=f"^{LINE_ID}$")] = None  #: lines after one
    around: Annotated[str | None, Field(pattern=f"^{LINE_ID}$")] = None  #: one, in the middle
    search: Annotated[str | None, Field(min_length=1, max_length=MAX_SEARCH)] = None  #: any case
    context: Annotated[int | None, Field(ge=0, le=50)] = None  #: lines beside each that has it
    follow_s: Annotated[float | None, Field(gt=0, le=600)] = None  #: the longest time to follow


class ExecRequest(Message):
    """Run a command in a server's container and stream its stdout and stderr.

    If the command does not exit with 0, the stream ends with CommandFailed.
    """

    kind: Literal["exec"] = "exec"
    server_id: ServerId
    command: Annotated[tuple[str, ...], Field(min_length=1)]


class PortsRequest(Message):
    """Ask which ports of a host are taken, by containers and by other processes."""

    kind: Literal["ports"] = "ports"


class PortUse(Message):
    """One port of a host that is taken."""

    protocol: str
    port: int
    address: str = ""  #: empty: every address of the host
    #: Who holds it, in words: `container 'mc' (stopped)`, `process 'java' (12)`.
    holder: str
    server_id: str | None = None  #: if it is a server of this fleet
    active: bool = True  #: False: of a stopped container, which takes it when it starts again


class PortsReply(Message):
    """Every port that is taken on a host, in order."""

    kind: Literal["ports"] = "ports"
    uses: tuple[PortUse, ...]


class InventoryRequest(Message):
    """Ask for all containers and data of this fleet on a host, with or without a definition."""

    kind: Literal["inventory"] = "inventory"


class Belonging(Message):
    """A container or a data directory that names a server of this fleet as its owner."""

    server_id: str
    server_name: str
    container: str | None = None  #: name of the container; None: a data directory
    running: bool = False
    image: str | None = None
    path: str | None = None  #: of a data directory
    data_exists: bool | None = None  #: None: could not look


class InventoryReply(Message):
    """All containers and data of this fleet on a host."""

    kind: Literal["inventory"] = "inventory"
    belongings: tuple[Belonging, ...]


class InspectRequest(Message):
    """Ask for any container of the host, described in the terms of a definition."""

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
    """A container in the terms of a definition, without the settings of its image.

    A variable that looks like a secret has no value here: values of secrets stay on their host.
    """

    kind: Literal["inspect"] = "inspect"
    id: str
    name: str
    image: str
    running: bool
    owner: str | None = None  #: the fleet that its label names
    command: tuple[str, ...] | None = None
    env: dict[str, str | None] = Field(default_factory=dict)
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
    labels: dict[str, str] = Field(default_factory=dict)
    #: Its other settings that a definition supports: fields of `ContainerOptions`, as JSON.
    options: dict[str, Any] = Field(default_factory=dict)
    #: Its aliases and addresses, by the networks in which it has any: fields of `Attachment`.
    attachments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    unsaid: tuple[str, ...] = ()  #: settings that no definition supports: privileged, a runtime


class PingRequest(Message):
    """Ask whether an agent answers, and for its release and place."""

    kind: Literal["ping"] = "ping"


class Pong(Message):
    """An agent answers, with its release and place."""

    kind: Literal["ping"] = "ping"
    zedops: str  #: its release
    engine: str  #: the Docker Engine's release; empty: it does not answer
    epoch: int  #: of the document it holds
    rev: int
    data_root: str = ""  #: where it keeps worlds and secrets
    boot_id: str = ""  #: the machine that it runs on; see `paths.boot_id`


class RecipientRequest(Message):
    """Ask for the public key for which secrets of this host are encrypted."""

    kind: Literal["recipient"] = "recipient"


class RecipientReply(Message):
    """A host's public key. The private key never leaves the host."""

    kind: Literal["recipient"] = "recipient"
    recipient: Recipient


class DataRequest(Message):
    """Ask for data volumes and their sizes, of one server or of all. Walks every directory."""

    kind: Literal["data"] = "data"
    server_id: str | None = None


class VolumeSize(Message):
    """One data volume of a server."""

    server_id: str
    volume: str  #: its key in the definition
    path: str
    exists: bool | None  #: None: could not look
    size_bytes: int | None = None  #: None: could not read all of it
    files: int = 0


class DataReply(Message):
    """The data volumes on a host."""

    kind: Literal["data"] = "data"
    volumes: tuple[VolumeSize, ...]


class CheckupRequest(Message):
    """Ask a host to check itself."""

    kind: Literal["checkup"] = "checkup"


class CheckupReply(Message):
    """A host's findings, with the time of its clock."""

    kind: Literal["checkup"] = "checkup"
    at: datetime
    findings: tuple[Finding, ...]


class StatsRequest(Message):
    """Ask how busy the servers' containers are."""

    kind: Literal["stats"] = "stats"


class Sample(Message):
    """How busy one running container is at a moment. Two of them give its share of the CPU."""

    server_id: str
    cpu_ns: int  #: CPU time used since its start, of all cores together
    at_ns: int  #: time of the reading, by the clock of its host
    memory_bytes: int  #: without caches that the kernel can free at once
    memory_limit_bytes: int
    pids: int
    uptime: str  #: in the Engine's words: `5 minutes`
    health: str  #: healthy, unhealthy, starting; empty without a check


class StatsReply(Message):
    """Samples of a host's running servers."""

    kind: Literal["stats"] = "stats"
    samples: tuple[Sample, ...]


#: What people and pages may ask.
Question = (
    PortsRequest | InventoryRequest | InspectRequest | PingRequest | DataRequest | StatsRequest
    | CheckupRequest | RecipientRequest | BackupsRequest | TypeRequest
)
#: Files of moves are for the manager alone.
Request = Annotated[
    Question | MoveFilesRequest | MoveWriteRequest, Field(discriminator="kind")
]
Reply = (
    PortsReply | InventoryReply | Shape | Pong | DataReply | StatsReply | CheckupReply
    | RecipientReply | BackupsReply | TypedReply | MoveFilesReply | MoveWriteReply
)
R = TypeVar("R", bound=Reply)
_Streamed = LogsRequest | ExecRequest | TerminalRequest
StreamQuestion = Annotated[_Streamed, Field(discriminator="kind")]
StreamRequest = Annotated[_Streamed | MoveReadRequest, Field(discriminator="kind")]

_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
_STREAM: TypeAdapter[StreamRequest] = TypeAdapter(StreamRequest)
_QUESTION: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="kind")])
_STREAM_QUESTION: TypeAdapter[StreamQuestion] = TypeAdapter(StreamQuestion)
_REPLY: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def read_request(said: object) -> Request:
    """Read a request from JSON's values. ValueError if it is none."""
    return _REQUEST.validate_python(said)


def read_question(said: object) -> Request:
    """Read what a person or a page asks a host. ValueError if it is none."""
    return _QUESTION.validate_python(said)


def read_stream_question(said: object) -> StreamRequest:
    """Read a stream that a person or a page asks for. ValueError if it is none."""
    return _STREAM_QUESTION.validate_python(said)


def read_reply(said: object) -> Reply:
    """Read a reply from JSON's values. ValueError if it is none."""
    return _REPLY.validate_python(said)


def read_stream_request(said: object) -> StreamRequest:
    """Read a request for a stream from JSON's values. ValueError if it is none."""
    return _STREAM.validate_python(said)


def expect(reply: Reply, expected: type[R], host: str) -> R:
    """Return a reply of the expected type. ZedopsError if it is of another type."""
    if not isinstance(reply, expected):
        raise ZedopsError(f"host {host} said {reply.kind}, not {expected.__name__}; this is a bug")
    return reply
