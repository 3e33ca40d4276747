"""The observed state of one server on its host, frozen at one moment.

Presence has a third value on purpose: "could not look" is UNKNOWN, and never means ABSENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: Labels that tie a container to its server.
FLEET, SERVER_ID, SERVER_NAME = "zedops.fleet", "zedops.server.id", "zedops.server.name"
#: The identity of its fleet, among fleets of one name; containers of earlier releases lack it.
HUB = "zedops.hub"
DEFINITION, REBUILD = "zedops.definition", "zedops.rebuild"
#: A keyed fingerprint of its secrets at its creation, and their names.
SECRETS, SECRET_NAMES = "zedops.secrets", "zedops.secrets.names"
#: The directory of copies that a container proves a snapshot on; it belongs to no server.
PROOF = "zedops.proof"

#: The end of a new container's name until it is whole; no server's name has a dot.
NEXT = ".next"


#: Device and inode: they name a directory, by any path, until the next mount of its disk.
Inode = tuple[int, int]
#: A memory limit that means none: the Engine can raise a limit, and cannot remove it.
LIFTED = 1 << 60
#: A host port of a container: (address, host port, container port, protocol); "": every address.
Binding = tuple[str, int, int, str]


class Phase(StrEnum):
    """The Engine's own word for a container's state (API: State.Status)."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class HealthStatus(StrEnum):
    """What a container's health check says (Engine API: `State.Health.Status`)."""

    NONE = "none"  #: it has no check
    STARTING = "starting"  #: it has not passed yet
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class LogLine(StrEnum):
    """Whether a process has shown the line of its `ready:` in its log."""

    UNASKED = "unasked"  #: there is no such line, or nothing runs
    AWAITED = "awaited"
    SHOWN = "shown"
    UNREADABLE = "unreadable"  #: the Engine cannot read this log back


class Presence(StrEnum):
    """The presence of an entry on the host."""

    PRESENT = "present"
    ABSENT = "absent"
    FOREIGN = "foreign"  #: there, with another owner
    UNKNOWN = "unknown"  #: could not look


@dataclass(frozen=True)
class Image:
    """The facts of an image on this host."""

    id: str
    user: str
    entrypoint: tuple[str, ...]
    volumes: tuple[str, ...] = ()  #: paths that it declares as volumes of their own
    labels: tuple[str, ...] = ()  #: keys of the labels that it gives every container
    unpublished: bool = False  #: built or loaded here: perhaps no registry has it
    made_by_id: bool = False  #: its name means another image by now


@dataclass(frozen=True)
class Network:
    """A network of the host; the Engine finds it by a name, an id or a part of an id."""

    name: str
    driver: str
    owner: str = ""  #: the fleet or the Compose project in its label, empty if none
    #: The containers in it, stopped ones too: (id, fleet in its label).
    members: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Ceilings:
    """Limits that `docker update` can change without a new container. 0: no limit."""

    memory_bytes: int
    nano_cpus: int
    pids: int
    restart_policy: str


@dataclass(frozen=True)
class Container:
    """A container that carries a server's label."""

    id: str
    name: str
    phase: Phase
    definition: str  #: hash of the definition at its creation
    rebuild: str  #: the `rebuild` token at its creation, empty if none
    image: str  #: id of the image that really runs
    started_at: datetime | None = None
    finished_at: datetime | None = None  #: the end of its last process, before a present one
    exit_code: int | None = None
    oom_killed: bool = False
    restart_count: int = 0
    error: str = ""
    ceilings: Ceilings | None = None
    adopted: bool = False  #: not made by zedops; it has a name of its own
    secrets: str = ""  #: fingerprint of the host's secrets at its creation, empty if none
    secrets_at: str = ""  #: the host's directory with its secrets as files, empty if none
    stale: bool = False  #: a secret, or the target of a link in a `source:`, has changed since
    bound: frozenset[Binding] = frozenset()  #: its present host ports
    mounts: tuple[tuple[str, str], ...] = ()  #: path in the container → place on the host
    pid: int = 0  #: of its first process on the host; 0: it does not run
    #: The real directory of each data volume, without those that the agent could not see.
    seats: tuple[tuple[str, Inode], ...] = ()
    networks: frozenset[tuple[str, str]] = frozenset()  #: names and ids of its networks
    health: HealthStatus = HealthStatus.NONE
    health_within_s: float = 0.0  #: the longest time until its check passes first
    log_line: LogLine = LogLine.UNASKED
    astray: bool = False  #: a process of it lives, though the Engine says that it ended

    @property
    def unhealthy(self) -> bool:
        """Say whether its health check failed."""
        return self.health is HealthStatus.UNHEALTHY

    @property
    def running(self) -> bool:
        """Say whether its process lives; a container between two crashes does not."""
        return self.phase in (Phase.RUNNING, Phase.PAUSED)

    @property
    def unfinished(self) -> bool:
        """Say whether its creation did not finish: it lacks its name, and perhaps a network."""
        mine = not self.adopted  # an adopted container may have such a name
        return mine and self.phase is Phase.CREATED and self.name.endswith(NEXT)

    def seat(self, key: str) -> Inode | None:
        """Return the directory of a volume in a running container; None: could not look."""
        return dict(self.seats).get(key)

    @property
    def up(self) -> bool:
        """Say whether the Engine may have its process running now or in a moment."""
        return self.running or self.phase is Phase.RESTARTING


@dataclass(frozen=True)
class DataVolume:
    """One declared data volume's directory: zedops' marker in it, and its other content."""

    key: str
    marker: Presence
    content: Presence
    own_place: bool = True  #: False: the definition names the place, which may hold other files
    identity: Inode | None = None  #: None: there is none, or could not look
    beside: bool = False  #: it was empty when zedops marked it: its marker is not inside yet
    may_vanish: bool = False  #: the Engine could start over a bare mount point here
    trouble: str = ""  #: why the agent could not look at it, and the remedy
    silent: bool = False  #: it answers nothing, so that each call for it would wait
    by_use: bool = False  #: its driver mounts it only while a container uses it
    #: Of these, no container uses it now: there is nothing to look at, and nothing wrong.
    unmounted: bool = False
    unmarkable: bool = False  #: zedops may not write its marker into it


@dataclass(frozen=True)
class Candidate:
    """A container that a definition wants to adopt."""

    container: str | None  #: None: there is no such container
    differences: tuple[str, ...] = ()
    owner: str | None = None  #: the fleet in its label
    unsaid: tuple[str, ...] = ()  #: its options that no definition can express
    name: str = ""  #: its own name, also where the definition gives an id


@dataclass(frozen=True)
class Observed:
    """All observed facts about one server."""

    containers: tuple[Container, ...] = ()
    volumes: tuple[DataVolume, ...] = ()
    #: The directory above all volumes, caches included.
    home: Presence = Presence.ABSENT
    candidate: Candidate | None = None
    #: Why the data root cannot be the former one; None: it is the same.
    root_gone: str | None = None
    #: The part of the definition that the host's policy forbids, for a server with a container.
    forbidden: str | None = None
    #: Ids of the networks that a container may lack; None: no such network.
    networks: Mapping[str, str | None] = field(default_factory=dict)
    root_unseen: bool = False  #: `root_gone` says only that zedops could not look

    def container(self, container_id: str | None) -> Container | None:
        """Find one of its containers; None if the look saw none of this id."""
        return next((each for each in self.containers if each.id == container_id), None)

    @property
    def data_exists(self) -> bool | None:
        """Say whether a world is there; None: could not look."""
        contents = {volume.content for volume in self.volumes}
        if Presence.PRESENT in contents:
            return True
        return None if Presence.UNKNOWN in contents else False
