"""What a host shows about one server, frozen at one moment.

Three-valued on purpose: "could not look" is UNKNOWN, and never read as ABSENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: Labels that tie a container to its server.
FLEET, SERVER_ID, SERVER_NAME = "zedops.fleet", "zedops.server.id", "zedops.server.name"
#: Which fleet of that name made it; containers of earlier releases have none.
HUB = "zedops.hub"
DEFINITION, REBUILD = "zedops.definition", "zedops.rebuild"
#: A keyed fingerprint of the secrets it was made with, and their names.
SECRETS, SECRET_NAMES = "zedops.secrets", "zedops.secrets.names"

#: The end of a container's name until it is whole and takes its place; no server's name has a dot.
NEXT = ".next"


#: Device and inode: which directory this is, by any path, until its disk is mounted again.
Inode = tuple[int, int]
#: A memory limit that stands for none: the Engine can raise a limit, and cannot take it away.
LIFTED = 1 << 60
#: A host port of a container: (address, host port, container port, protocol); "": every address.
Binding = tuple[str, int, int, str]


class Phase(StrEnum):
    """The Engine's own word for what a container does (API: State.Status)."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


class Presence(StrEnum):
    """Whether something is there."""

    PRESENT = "present"
    ABSENT = "absent"
    FOREIGN = "foreign"  #: there, but somebody else's
    UNKNOWN = "unknown"  #: could not look


@dataclass(frozen=True)
class Image:
    """What an image on this host says about itself."""

    id: str
    user: str
    entrypoint: tuple[str, ...]
    volumes: tuple[str, ...] = ()  #: paths that it declares as volumes of their own
    labels: tuple[str, ...] = ()  #: the keys of those that it would give every container
    unpublished: bool = False  #: built or loaded here: no registry is known to have it
    made_by_id: bool = False  #: its name means another image by now


@dataclass(frozen=True)
class Network:
    """A network of the host, as the Engine finds it by a name, an id or a part of one."""

    name: str
    driver: str
    owner: str = ""  #: the fleet or the project of Compose whose label it carries, empty if none
    #: The containers in it, those that do not run, too: (id, fleet whose label it carries).
    members: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Ceilings:
    """What `docker update` can change behind a definition's hash. 0: no limit."""

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
    definition: str  #: hash of the definition it was made from
    rebuild: str  #: the `rebuild` token it was made for, empty if none
    image: str  #: id of the image that really runs
    started_at: datetime | None = None
    finished_at: datetime | None = None  #: the end of the process before, if it runs
    exit_code: int | None = None
    oom_killed: bool = False
    restart_count: int = 0
    error: str = ""
    ceilings: Ceilings | None = None
    adopted: bool = False  #: somebody else made it, under a name of its own
    secrets: str = ""  #: fingerprint of the host's secrets it was made with, empty if none
    secrets_at: str = ""  #: the host's directory in which its secrets are files, empty if none
    stale: bool = False  #: one of those secrets, or where a `source:` leads, has changed since
    bound: frozenset[Binding] = frozenset()  #: the host ports that it has now
    mounts: tuple[tuple[str, str], ...] = ()  #: path in the container → place on the host
    pid: int = 0  #: of its first process on the host; 0: it does not run
    #: Which directory it really has as each data volume; one that could not be seen is left out.
    seats: tuple[tuple[str, Inode], ...] = ()
    networks: frozenset[tuple[str, str]] = frozenset()  #: names and ids of those it is in
    unhealthy: bool = False  #: its health check failed

    @property
    def running(self) -> bool:
        """Say whether its process lives; a container between two crashes does not."""
        return self.phase in (Phase.RUNNING, Phase.PAUSED)

    @property
    def unfinished(self) -> bool:
        """Say whether whoever made it did not come to give it its name: it may lack a network."""
        mine = not self.adopted  # somebody else's may be called so
        return mine and self.phase is Phase.CREATED and self.name.endswith(NEXT)

    def seat(self, key: str) -> Inode | None:
        """Say which directory a running container has as a volume; None: could not look."""
        return dict(self.seats).get(key)

    @property
    def up(self) -> bool:
        """Say whether the Engine may have its process running now or in a moment."""
        return self.running or self.phase is Phase.RESTARTING


@dataclass(frozen=True)
class DataVolume:
    """One declared data volume's directory: zedops' marker in it, and anything else."""

    key: str
    marker: Presence
    content: Presence
    own_place: bool = True  #: False: in a place that the definition names, which may hold anything
    identity: Inode | None = None  #: None: there is none, or could not look
    beside: bool = False  #: it held nothing when it was marked: its marker is not inside yet
    may_vanish: bool = False  #: the Engine could start over emptiness here, if a disk is away
    trouble: str = ""  #: why it could not be looked at, and what to do


@dataclass(frozen=True)
class Candidate:
    """A container that a definition wants to take over."""

    container: str | None  #: None: there is no such container
    differences: tuple[str, ...] = ()
    owner: str | None = None  #: the fleet whose label it carries
    unsaid: tuple[str, ...] = ()  #: what it has and no definition can say
    name: str = ""  #: its own, however the definition calls it


@dataclass(frozen=True)
class Observed:
    """Everything the host shows about one server."""

    containers: tuple[Container, ...] = ()
    volumes: tuple[DataVolume, ...] = ()
    #: The directory above all volumes, caches included.
    home: Presence = Presence.ABSENT
    candidate: Candidate | None = None
    #: Why the data root cannot be the one that was there before; None: it is.
    root_gone: str | None = None
    #: What the host's owner does not allow of a server that has a container; None: all of it.
    forbidden: str | None = None
    #: Ids of the networks that it is to be in, where one is worth asking for; None: not there.
    networks: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def data_exists(self) -> bool | None:
        """Say whether a world is there; None if that could not be seen."""
        contents = {volume.content for volume in self.volumes}
        if Presence.PRESENT in contents:
            return True
        return None if Presence.UNKNOWN in contents else False
