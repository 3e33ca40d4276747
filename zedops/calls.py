"""What the manager may ask a host, and what is answered, over any transport.

A question changes nothing and may be repeated (`exec` does what its command does); an error of
`errors` is an answer, too.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter

from zedops.errors import ZedopsError
from zedops.fields import Recipient, ServerId
from zedops.model import Health
from zedops.wire import Message


class LogsRequest(Message):
    """Stream a server's log: the last `tail` lines, then on and on if `follow`."""

    kind: Literal["logs"] = "logs"
    server_id: ServerId
    tail: Annotated[int, "lines"] = 100
    follow: bool = False
    since: Annotated[int | None, "seconds since 1970"] = None


class ExecRequest(Message):
    """Run a command in a server's container and stream what it says on both its outputs.

    A command that does not end with 0 ends the stream with CommandFailed.
    """

    kind: Literal["exec"] = "exec"
    server_id: ServerId
    command: Annotated[tuple[str, ...], Field(min_length=1)]


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
    #: What else a definition can say of it: fields of `ContainerOptions`, as JSON.
    options: dict[str, Any] = Field(default_factory=dict)
    #: What it is in networks, where that is more than being there: fields of `Attachment`.
    attachments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    unsaid: tuple[str, ...] = ()  #: what it has and no definition can say: privileged, a runtime


class PingRequest(Message):
    """Ask whether an agent is there, and what it is."""

    kind: Literal["ping"] = "ping"


class Pong(Message):
    """An agent is there."""

    kind: Literal["ping"] = "ping"
    zedops: str  #: its release
    engine: str  #: the Docker Engine's release; empty: it does not answer
    epoch: int  #: of the document it holds
    rev: int
    data_root: str = ""  #: where it keeps worlds and secrets
    boot_id: str = ""  #: which machine that is on; see `places.boot_id`


class RecipientRequest(Message):
    """Ask for the public key for which secrets of this host are encrypted."""

    kind: Literal["recipient"] = "recipient"


class RecipientReply(Message):
    """A host's public key. What belongs to it never leaves the host."""

    kind: Literal["recipient"] = "recipient"
    recipient: Recipient


class DataRequest(Message):
    """Ask what data there is and how large, of one server or of all. Walks every directory."""

    kind: Literal["data"] = "data"
    server_id: str | None = None


class VolumeSize(Message):
    """One data volume of a server."""

    server_id: str
    volume: str  #: its key in the definition
    path: str
    exists: bool | None  #: None: could not look
    size_bytes: int | None = None  #: None: could not look at everything in it
    files: int = 0


class DataReply(Message):
    """What data there is on a host."""

    kind: Literal["data"] = "data"
    volumes: tuple[VolumeSize, ...]


class Verdict(StrEnum):
    """What a finding amounts to."""

    GOOD = "ok"
    WARNING = "warning"  #: works, and may hurt one day
    WRONG = "wrong"  #: does not work
    UNKNOWN = "unknown"  #: could not look


class Finding(Message):
    """One thing that was looked at, and what to do about it."""

    subject: str
    verdict: Verdict
    fact: str
    remedy: str = ""

    @classmethod
    def good(cls, subject: str, fact: str) -> Finding:
        """Say that it is as it should be."""
        return cls(subject=subject, verdict=Verdict.GOOD, fact=fact)

    @classmethod
    def warning(cls, subject: str, fact: str, remedy: str) -> Finding:
        """Say that it works, and what may hurt."""
        return cls(subject=subject, verdict=Verdict.WARNING, fact=fact, remedy=remedy)

    @classmethod
    def wrong(cls, subject: str, fact: str, remedy: str) -> Finding:
        """Say that it does not work."""
        return cls(subject=subject, verdict=Verdict.WRONG, fact=fact, remedy=remedy)

    @classmethod
    def unknown(cls, subject: str, fact: str, remedy: str = "") -> Finding:
        """Say that it could not be looked at."""
        return cls(subject=subject, verdict=Verdict.UNKNOWN, fact=fact, remedy=remedy)


class CheckupRequest(Message):
    """Ask a host to look for what is wrong with it."""

    kind: Literal["checkup"] = "checkup"


class CheckupReply(Message):
    """What a host found, and what its clock said."""

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
    at_ns: int  #: when that was read, by the clock of its host
    memory_bytes: int  #: without what the kernel would give back at once
    memory_limit_bytes: int
    pids: int
    uptime: str  #: in the Engine's words: `5 minutes`
    health: str  #: healthy, unhealthy, starting; empty without a check


class StatsReply(Message):
    """How busy a host's servers are; those that do not run are not in it."""

    kind: Literal["stats"] = "stats"
    samples: tuple[Sample, ...]


Request = Annotated[
    PortsRequest | InventoryRequest | InspectRequest | PingRequest | DataRequest | StatsRequest
    | CheckupRequest | RecipientRequest,
    Field(discriminator="kind"),
]
Reply = (
    PortsReply | InventoryReply | Shape | Pong | DataReply | StatsReply | CheckupReply
    | RecipientReply
)
R = TypeVar("R", bound=Reply)
StreamRequest = Annotated[LogsRequest | ExecRequest, Field(discriminator="kind")]

_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
_STREAM: TypeAdapter[StreamRequest] = TypeAdapter(StreamRequest)
_REPLY: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def read_request(said: object) -> Request:
    """Read a request from JSON's values. ValueError if it is none."""
    return _REQUEST.validate_python(said)


def read_reply(said: object) -> Reply:
    """Read a reply from JSON's values. ValueError if it is none."""
    return _REPLY.validate_python(said)


def read_stream_request(said: object) -> StreamRequest:
    """Read what to stream from JSON's values. ValueError if it is nothing of the kind."""
    return _STREAM.validate_python(said)


def expect(reply: Reply, expected: type[R], host: str) -> R:
    """Take the reply that answers a question. ZedopsError where it is another one."""
    if not isinstance(reply, expected):
        raise ZedopsError(f"host {host} said {reply.kind}, not {expected.__name__}; this is a bug")
    return reply
