"""The read models: what `--json`, the manager's socket and the web page show of a fleet. Pure.

The other modules of this package make them. They are a promise to scripts: `docs/generate.py` makes
the reference page from these, and a test checks each command's output against them. Within a major
version fields may be added; no field goes or changes its meaning. Fields keep their order in JSON.

Imports little: commands that ask the manager load this module at their start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from zedops.errors import Problem
from zedops.queries.rows import ResolvedValue, ServerDetail, ServerRow


@dataclass(frozen=True)
class HistoryRow:
    """One commit."""

    at: Annotated[str, "time"]
    who: Annotated[str, "a person, or `zedops`"]
    what: Annotated[str, "its subject"]
    commit: Annotated[str, "its full id"]
    servers: Annotated[list[str], "the servers with changed files"]
    transitions: Annotated[list[dict[str, str]], "zedops' own: server, id, host, transition, …"]
    why: Annotated[dict[str, str], "zedops' own: the reason, by server"]


@dataclass(frozen=True)
class LoadRow:
    """One running server."""

    name: str
    cpu_cores: Annotated[float | None, "1.0 is one core"]
    server_id: str
    cpu_ns: Annotated[int, "CPU time since its start"]
    at_ns: Annotated[int, "time of that value, by its host's clock"]
    memory_bytes: int
    memory_limit_bytes: int
    pids: int
    uptime: Annotated[str, "in Docker's words"]
    health: Annotated[str, "healthy, unhealthy, starting; empty without a check"]


@dataclass(frozen=True)
class VolumeRow:
    """One data volume."""

    server: Annotated[str, "its name, or its id if no file has that id"]
    host: str
    volume: Annotated[str, "its key"]
    path: Annotated[str, "on the host"]
    exists: Annotated[bool | None, "null: could not look"]
    size_bytes: Annotated[int | None, "null: it changed meanwhile, or could not be read"]
    files: int


@dataclass(frozen=True)
class PlannedServer:
    """One server of a plan."""

    server: str
    path: str
    host: str | None
    effect: Annotated[str, "nothing, in place, restart, recreate, create, start, stop, move, …"]
    because: list[str]
    data: Annotated[str | None, "the effect on its data"]
    problems: list[str]


@dataclass(frozen=True)
class Planned:
    """The effect of a push of the working copy."""

    servers: list[PlannedServer]
    problems: Annotated[list[str], "reasons to refuse the push"]
    warnings: list[str]


@dataclass(frozen=True)
class Difference:
    """One server that differs."""

    server: str
    path: str
    change: Annotated[str, "new, changed, deleted, or `cannot be read: …`"]
    fields: Annotated[dict[str, list[Any]], "by dotted name: before and after"]


@dataclass(frozen=True)
class PortRow:
    """One host port that is taken."""

    host: str
    port: int
    protocol: Annotated[str, "tcp or udp"]
    server: Annotated[str | None, "of this fleet"]
    key: Annotated[str | None, "of the port in its definition"]
    holder: Annotated[str | None, "the holder, if no server of this fleet"]


@dataclass(frozen=True)
class OrphanRow:
    """A container or data on a host that no file of the fleet owns."""

    host: str
    id: str
    name: str
    container: Annotated[str | None, "its name"]
    image: str | None
    running: bool
    path: Annotated[str | None, "of its data"]
    data_exists: Annotated[bool | None, "null: could not look"]


@dataclass(frozen=True)
class Validated:
    """The check of every file of a working copy."""

    problems: Annotated[list[Problem], "reasons to refuse a push"]
    warnings: list[Problem]
    count: Annotated[int, "of servers"]


@dataclass(frozen=True)
class CheckedRow:
    """One problem or warning."""

    kind: Annotated[str, "error or warning"]
    path: str
    line: Annotated[int, "from 1; 0 is the whole file"]
    column: Annotated[int, "from 1; 0 is the whole line"]
    field: str
    fact: str
    remedy: str


@dataclass(frozen=True)
class FindingRow:
    """The result of one check."""

    where: Annotated[str, "here, fleet, or a host"]
    subject: str
    verdict: Annotated[str, "ok, warning, wrong, unknown"]
    fact: str
    remedy: Annotated[str, "empty if none is needed"]


@dataclass(frozen=True)
class HostRow:
    """One host."""

    name: str
    servers: Annotated[int, "number of servers on this host"]
    in_fleet: Annotated[bool, "whether zedops.yaml names it"]
    joined: Annotated[str | None, "time, of a host that joined over NATS"]
    quiet_s: Annotated[float | None, "seconds since its last message"]
    answers: bool
    zedops: Annotated[str | None, "its release"]
    engine: Annotated[str | None, "its Docker's release"]


@dataclass(frozen=True)
class Invitation:
    """A token with which a host joins, once."""

    host: str
    token: str
    ttl_s: Annotated[float, "seconds"]


@dataclass(frozen=True)
class SecretRow:
    """One secret; never its value."""

    server: str
    name: str
    kept: Annotated[str, "the place, in words"]
    set: Annotated[bool | None, "null: not visible from this machine"]
    asked_for: Annotated[bool | None, "whether its definition names it; null: not known here"]


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot of a world."""

    id: Annotated[str, "as restic names it"]
    server: Annotated[str, "its name now, or its name then if no file has its id"]
    server_id: str
    at: Annotated[str, "time"]
    reason: Annotated[str, "asked, schedule, update, purge, restore"]
    host: Annotated[str, "the host that has the repository, or was asked for it"]
    repository: Annotated[str, "`host`: the host's own"]
    address: Annotated[str, "as for `restic -r`"]
    size_bytes: Annotated[int | None, "null: the repository does not say"]
    files: int | None


#: Shapes by command, with the options that change them.
SHAPES: dict[str, Any] = {
    "list": list[ServerRow],
    "show SERVER": ServerDetail,
    "show SERVER --resolved": list[ResolvedValue],
    "status": list[ServerRow],
    "status SERVER": ServerDetail,
    "history": list[HistoryRow],
    "stats": list[LoadRow],
    "data": list[VolumeRow],
    "backups": list[SnapshotRow],
    "plan": Planned,
    "diff": list[Difference],
    "ports": list[PortRow],
    "ports --free N": list[int],
    "ports --for SERVER": dict[str, int],
    "orphans": list[OrphanRow],
    "validate": list[CheckedRow],
    "doctor": list[FindingRow],
    "host list": list[HostRow],
    "host add HOST": Invitation,
    "secret list": list[SecretRow],
}
