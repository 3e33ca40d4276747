"""The fleet at one commit: settings and documents, and the rules that bind them together.

Pure. `check` says what is wrong with a change against everything else, in one pass, with a place
and a remedy for each problem. `desired_server` turns a document into what its host gets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath

from zedops import document as documents
from zedops import source as yaml_source
from zedops.document import Document
from zedops.errors import Problem
from zedops.model import Definition, Desired, Port, Publish, Settings, Status, definition_hash
from zedops.resolve import resolve
from zedops.source import Source
from zedops.wire import DesiredServer, Goal

SETTINGS_PATH = "zedops.yaml"
SERVERS = "servers.d"
TOMBSTONES = "tombstones.d"
#: Ports suggested in remedies; below it systems and people have their own.
_FIRST_FREE_PORT, _LAST_PORT = 1024, 65535


PortUsers = dict[tuple[str | None, str, int], list[tuple[Document, str]]]


class Kind(Enum):
    """What a path in a fleet repository is."""

    SETTINGS = "settings"
    SERVER = "server"
    TOMBSTONE = "tombstone"
    OTHER = "other"


@dataclass(frozen=True)
class Fleet:
    """A fleet as of `commit`. Paths are relative to the repository's root."""

    commit: str = ""
    settings: Settings = field(default_factory=lambda: Settings(name="fleet"))
    documents: Mapping[str, Document] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def servers(self) -> Iterator[Document]:
        """Walk the documents of servers that live."""
        return (each for path, each in self.documents.items() if kind_of(path) is Kind.SERVER)

    def tombstones(self) -> Iterator[Document]:
        """Walk the documents of deleted servers."""
        return (each for path, each in self.documents.items() if kind_of(path) is Kind.TOMBSTONE)

    def with_documents(self, changes: Mapping[str, Document | None]) -> Fleet:
        """Replace documents; None removes one."""
        merged = {**self.documents, **changes}
        kept = {path: each for path, each in merged.items() if each is not None}
        return replace(self, documents=kept)

    def by_id(self) -> dict[str, Document]:
        """Index documents by server id. A living server wins over a tombstone."""
        found = {each.id: each for each in self.tombstones() if each.id}
        return found | {each.id: each for each in self.servers() if each.id}

    def host_of(self, document: Document) -> str | None:
        """Name the host of a server; None where its definition leaves that open."""
        if document.definition and document.definition.host:
            return document.definition.host
        default = self.settings.defaults.get("host")
        if default is not None:
            return str(default)
        return self.settings.hosts[0] if len(self.settings.hosts) == 1 else None


def kind_of(path: str) -> Kind:
    """Say what a path in the repository is to zedops."""
    parts = PurePosixPath(path).parts
    if path == SETTINGS_PATH:
        return Kind.SETTINGS
    if len(parts) < 2 or not path.endswith((".yaml", ".yml")):
        return Kind.OTHER
    return {SERVERS: Kind.SERVER, TOMBSTONES: Kind.TOMBSTONE}.get(parts[0], Kind.OTHER)


def tombstone_path(name: str) -> str:
    """Say where a deleted server's file goes."""
    return f"{TOMBSTONES}/{name}.yaml"


def read_settings(content: bytes, default_name: str) -> tuple[Settings, tuple[Problem, ...]]:
    """Read `zedops.yaml`; an empty or missing one means every default."""
    try:
        source = yaml_source.load(SETTINGS_PATH, content.decode("utf-8"))
    except UnicodeDecodeError:
        fallback = Settings(name=default_name)
        return fallback, (Problem(SETTINGS_PATH, 1, 1, "", "not UTF-8 text", "save it as UTF-8"),)
    if isinstance(source.data, dict):
        source.data.setdefault("name", default_name)
    settings, problems = documents.validate(Settings, source)
    if source.data is not None and not isinstance(source.data, dict):
        problems = [source.problem((), "not a mapping", "write `name: …` and other keys")]
    if settings and settings.defaults:
        problems += _default_problems(source, settings)
    return settings or Settings(name=default_name), (*source.problems, *problems)


def _default_problems(source: Source, settings: Settings) -> list[Problem]:
    """Check `defaults:` as the part of a definition that it is."""
    inner = {path[1:]: mark for path, mark in source.marks.items() if path[:1] == ("defaults",)}
    part = Source(source.path, {"image": "any", **settings.defaults}, inner)
    found = documents.validate(Definition, part)[1]
    return [replace(each, field=f"defaults.{each.field}") for each in found]


def check(fleet: Fleet, changed: Iterable[str]) -> list[Problem]:
    """Find everything wrong with the changed paths, each against the whole fleet."""
    paths = set(changed)
    problems = list(fleet.problems) if SETTINGS_PATH in paths else []
    if SETTINGS_PATH in paths:
        paths |= set(fleet.documents)
    touched = [fleet.documents[path] for path in sorted(paths) if path in fleet.documents]
    for each in touched:
        problems += each.problems
        if each.path.endswith(".yml"):
            remedy = f"rename it to {PurePosixPath(each.path).stem}.yaml"
            problems.append(Problem(each.path, 0, 0, "", "definitions end in .yaml", remedy))
        if kind_of(each.path) is Kind.SERVER and each.definition:
            if each.definition.purge:
                remedy = f"use `zedops purge {each.name} --data`, or remove the line"
                problems.append(each.problem(("purge",), "is for tombstones only", remedy))
            problems += _host_problems(fleet, each)
            problems += resolve(each, fleet.settings)[1]
    living = [each for each in touched if kind_of(each.path) is Kind.SERVER]
    named = [each for each in fleet.servers() if {each.path, tombstone_path(each.name)} & paths]
    problems += _name_problems(fleet, named)
    problems += _port_problems(fleet, living)
    return sorted(set(problems))


def _host_problems(fleet: Fleet, document: Document) -> list[Problem]:
    host = fleet.host_of(document)
    known = ", ".join(fleet.settings.hosts)
    if host is None:
        remedy = f"add `host:` with one of {known}"
        return [document.problem(("host",), "is required, the fleet has several hosts", remedy)]
    if host not in fleet.settings.hosts:
        remedy = f"use one of {known}, or add it to hosts in {SETTINGS_PATH}"
        return [document.problem(("host",), f"{host!r} is not a host of this fleet", remedy)]
    state = document.state
    if state and state.data_exists and state.host not in (None, host):
        fact = f"its data is on {state.host!r} and would stay behind"
        return [document.problem(("host",), fact, f"set host back to {state.host}")]
    return []


def _name_problems(fleet: Fleet, touched: list[Document]) -> list[Problem]:
    owners = defaultdict(list)
    for each in fleet.servers():
        owners[each.name].append(each.path)
    problems = []
    for each in touched:
        others = [path for path in owners[each.name] if path != each.path]
        if others:
            fact = f"the name {each.name!r} is also used by {others[0]}"
            problems.append(Problem(each.path, 0, 0, "", fact, "rename one of the files"))
        grave = fleet.documents.get(tombstone_path(each.name))
        if grave and not is_same_server(each, grave):
            remedy = (
                f"bring the old one back with `zedops restore {each.name}`, "
                f"or let go of it with `git rm {grave.path}`"
            )
            fact = f"a deleted server {each.name!r} with its data is still kept"
            problems.append(Problem(each.path, 0, 0, "", fact, remedy))
    return problems


def is_same_server(document: Document, grave: Document) -> bool:
    """Tell a restored definition from a new one under an old name.

    A revert brings back the file with its id; one written before the first state has none, and
    is recognised by its text.
    """
    if document.id is not None:
        return document.id == grave.id
    return document.head == grave.head


def _port_problems(fleet: Fleet, touched: list[Document]) -> list[Problem]:
    if not any(_published(fleet, each) for each in touched):
        return []
    users = ports_in_use(fleet)
    problems = []
    paths = {each.path for each in touched}
    for (host, protocol, number), holders in users.items():
        for index, (document, key) in enumerate(holders):
            if document.path not in paths or len(holders) == 1:
                continue
            other, other_key = next(each for at, each in enumerate(holders) if at != index)
            line = other.source.mark(("ports", other_key)).line
            free = free_ports(fleet, host, protocol, 1, number + 1, users)[0]
            place = f"also used by {other.name!r} ({other.path}:{line})"
            fact = f"host port {number}/{protocol} is {place}"
            remedy = f"choose another, e.g. {free}"
            problems.append(document.problem(("ports", key), fact, remedy))
    return problems


def ports_in_use(fleet: Fleet) -> PortUsers:
    """Index the host ports that servers take: (host, protocol, number) → (document, key)."""
    users: PortUsers = defaultdict(list)
    for each in _holding_ports(fleet):
        for key, port in _published(fleet, each):
            users[fleet.host_of(each), port.protocol, port.host].append((each, key))
    return users


def free_ports(
    fleet: Fleet,
    host: str | None,
    protocol: str,
    count: int,
    start: int,
    users: PortUsers | None = None,
) -> list[int]:
    """Find the next `count` consecutive ports from `start` on that no server of the fleet takes.

    What else the host's own sockets hold is not known here.
    """
    users = ports_in_use(fleet) if users is None else users
    first = start if _FIRST_FREE_PORT <= start <= _LAST_PORT - count else _FIRST_FREE_PORT
    while any((host, protocol, number) in users for number in range(first, first + count)):
        first += 1
        if first + count > _LAST_PORT:
            first = _FIRST_FREE_PORT
    return list(range(first, first + count))


def _holding_ports(fleet: Fleet) -> Iterator[Document]:
    yield from fleet.servers()
    for grave in fleet.tombstones():
        if grave.state and grave.state.status is not Status.DELETED:
            yield grave


def _published(fleet: Fleet, document: Document) -> list[tuple[str, Port]]:
    """List the published ports, those from the fleet's defaults included."""
    if document.definition and "ports" in fleet.settings.defaults:
        definition, _ = resolve(document, fleet.settings)
        document = replace(document, definition=definition)
    return published_ports(document)


def published_ports(document: Document) -> list[tuple[str, Port]]:
    """List the ports of a server that take one of its host's."""
    ports = document.definition.ports if document.definition else {}
    return [(key, port) for key, port in ports.items() if port.publish is not Publish.NONE]


def desired_server(fleet: Fleet, document: Document, commit: str) -> DesiredServer | None:
    """Make what the host gets for one document; None where there is nothing to be done."""
    state = document.state
    definition, _ = resolve(document, fleet.settings)
    if state is None or definition is None:
        return None
    buried = kind_of(document.path) is Kind.TOMBSTONE
    purges = buried and definition.purge is not None
    if buried and not purges and state.status is Status.DELETED:
        return None
    running = definition.desired is Desired.RUNNING
    goal = Goal.RUNNING if running else Goal.STOPPED
    if buried:
        goal = Goal.PURGED if purges else Goal.DELETED
    return DesiredServer(
        id=state.id,
        name=document.name,
        goal=goal,
        definition=definition,
        hash=definition_hash(definition),
        commit=commit,
        created=state.commit is not None,
        data_expected=state.data_exists or state.data_lost,
        drift=definition.drift or fleet.settings.drift,
    )
