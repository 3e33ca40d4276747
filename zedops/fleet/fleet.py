"""The fleet at one commit: settings and documents.

Pure. `desired_server` turns a document into the message for its host. The rules that a fleet must
meet are in `checks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from zedops.errors import Problem
from zedops.fleet.index import DocumentIndex
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec import loader as yaml_source
from zedops.spec import validation
from zedops.spec.backup import Repository
from zedops.spec.bring import bring_host
from zedops.spec.document import Document
from zedops.spec.layout import (
    SETTINGS_PATH,
    Kind,
    kind_of,
    preset_name,
)
from zedops.spec.model import Definition, Desired, definition_hash
from zedops.spec.places import Source
from zedops.spec.preset import Preset
from zedops.spec.resolve import game_of, resolve
from zedops.spec.settings import Settings
from zedops.spec.state import Status

#: Fields of a single server; `purge` below all would remove the data of every deleted server.
_NOT_DEFAULT = ("adopt", "purge", "moved_from", "world")


@dataclass(frozen=True)
class Fleet:
    """A fleet as of `commit`. Paths are relative to the repository's root.

    `presets` maps names to zedops' own presets and the fleet's; a fleet's preset wins.
    """

    commit: str = ""
    settings: Settings = field(default_factory=lambda: Settings(name="fleet"))
    documents: Mapping[str, Document] = field(default_factory=DocumentIndex)
    problems: tuple[Problem, ...] = ()
    presets: Mapping[str, Preset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", DocumentIndex.of(self.documents))

    @property
    def _index(self) -> DocumentIndex:
        return DocumentIndex.of(self.documents)

    def servers(self) -> Iterator[Document]:
        """Iterate over the documents of living servers."""
        return self._index.servers()

    def tombstones(self) -> Iterator[Document]:
        """Iterate over the documents of deleted servers."""
        return self._index.tombstones()

    def named(self, name: str) -> list[Document]:
        """List the living servers with a name: one, but for mistakes."""
        return self._index.named(name)

    def on(self, hosts: Collection[str | None]) -> Iterator[Document]:
        """Iterate over the living servers of some hosts; None stands for no host."""
        for host in hosts:
            yield from self._index.on(host) if host else ()
        if self.default_host in hosts:
            yield from self._index.on("")

    def with_documents(self, changes: Mapping[str, Document | None]) -> Fleet:
        """Replace documents; None removes one."""
        return replace(self, documents=self._index.replaced(changes))

    def differing(self, other: Fleet) -> set[str]:
        """Name the paths at which two fleets may differ; few if one was made from the other."""
        return self._index.differing(other._index)

    def owner(self, server_id: str | None) -> Document | None:
        """Find a server by its id. A living server wins over a tombstone."""
        return self._index.owner(server_id)

    def is_living(self, server_id: str | None) -> bool:
        """Say whether a definition has this id, and not only a tombstone."""
        owner = self.owner(server_id)
        return owner is not None and kind_of(owner.path) is Kind.SERVER

    def resolve(self, document: Document) -> tuple[Definition | None, list[Problem]]:
        """Merge a document over its preset and the fleet's defaults."""
        return resolve(document, self.settings, self.presets)

    def game(self, document: Document) -> str | None:
        """Name the preset of a definition."""
        return game_of(document, self.settings)

    def users(self, presets: Collection[str]) -> set[str]:
        """Find the documents that use one of some presets."""
        if not presets:
            return set()
        return {path for path, each in self.documents.items() if self.game(each) in presets}

    def reach(self, changed: Iterable[str]) -> set[str]:
        """Add the servers that changed presets or settings affect to the changed paths."""
        paths = set(changed)
        if SETTINGS_PATH in paths:
            paths |= set(self.documents)
        return paths | self.users({name for path in paths if (name := preset_name(path))})

    def presets_since(self, before: Fleet) -> set[str]:
        """Name the presets that differ from those of an earlier fleet."""
        names = self.presets.keys() | before.presets.keys()
        return {each for each in names if self.presets.get(each) != before.presets.get(each)}

    def host_of(self, document: Document) -> str | None:
        """Name the host of a server; None where its definition leaves that open."""
        if document.definition and document.definition.host:
            return document.definition.host
        return self.default_host

    @property
    def default_host(self) -> str | None:
        """Name the host of servers whose definitions name none; None where that is open."""
        default = self.settings.defaults.get("host")
        if default is not None:
            return str(default)
        return self.settings.hosts[0] if len(self.settings.hosts) == 1 else None

    def place(self, document: Document) -> tuple[str | None, bool]:
        """Return the host that acts for a server now, and whether the server leaves that host.

        If `host` changed, the old host removes the container first, so there are never two. A
        server with data stays, unless `moved_from` says that a person copies the data. A server
        whose definition cannot be read stays, too. A host that left the fleet is not waited for.
        """
        wanted, state = self.host_of(document), document.state
        held = state.host if state else None
        if state is None or held in (None, wanted) or held not in self.settings.hosts:
            return wanted, False
        if document.definition is None:
            return held, False
        world = document.definition.world
        if state.has_world and world and world.bring and bring_host(world.bring) == held:
            return held, False  # until zedops has brought its world over (`moving`)
        return held, document.definition.moved_from == held or not state.has_world


def read_settings(content: bytes, default_name: str) -> tuple[Settings, tuple[Problem, ...]]:
    """Read `zedops.yaml`; an empty or missing file means every default."""
    source = yaml_source.read(SETTINGS_PATH, content)
    if isinstance(source.data, dict):
        source.data.setdefault("name", default_name)
    settings, problems = validation.validate(Settings, source)
    if source.data is not None and not isinstance(source.data, dict):
        problems = [source.problem((), "not a mapping", "write `name: …` and other keys")]
    if settings and settings.defaults:
        problems += _default_problems(source, settings)
    return settings or Settings(name=default_name), (*source.problems, *problems)


def _default_problems(source: Source, settings: Settings) -> list[Problem]:
    """Check `defaults:` as part of a definition."""
    inner = {path[1:]: each for path, each in source.places.items() if path[:1] == ("defaults",)}
    part = Source(source.path, {"image": "any", **settings.defaults}, inner)
    found = validation.validate(Definition, part)[1]
    single = [key for key in _NOT_DEFAULT if key in settings.defaults]
    fact, remedy = "belongs to a single server", "write it into the definitions"
    return [
        *(replace(each, field=f"defaults.{each.field}") for each in found),
        *(source.problem(("defaults", key), fact, remedy) for key in single),
    ]


def is_same_server(document: Document, grave: Document) -> bool:
    """Tell a restored definition from a new one under an old name.

    A revert brings back the file with its id. A file from before the first state has no id; its
    text identifies it.
    """
    if document.id is not None:
        return document.id == grave.id
    return document.head == grave.head


def desired_server(
    fleet: Fleet, document: Document, commit: str, like: DesiredServer | None = None
) -> DesiredServer | None:
    """Build the message that the host gets for one document; None if the host has no work.

    `like` is the host's present message for the same definition; then only the state is new.
    """
    state = document.state
    definition = like.definition if like else fleet.resolve(document)[0]
    if state is None or definition is None:
        return None
    if definition.adopted_id is not None:  # it names a server, not a container of the host
        definition = definition.model_copy(update={"adopt": None})
    buried = kind_of(document.path) is Kind.TOMBSTONE
    asked = document.definition.purge if document.definition else None  # defaults cannot ask
    purges = buried and asked is not None
    if buried and not purges and state.status is Status.DELETED:
        return None
    running = definition.desired is Desired.RUNNING
    goal = Goal.RUNNING if running else Goal.STOPPED
    if fleet.place(document)[1]:
        goal = Goal.DELETED
    if buried:
        goal = Goal.PURGED if purges else Goal.DELETED
    return DesiredServer(
        id=state.id,
        name=document.name,
        goal=goal,
        definition=definition,
        hash=like.hash if like else definition_hash(definition),
        commit=commit,
        created=state.commit is not None,
        data_expected=state.has_world,
        drift=definition.drift or fleet.settings.drift,
        repository=_repository(fleet.settings, definition),
        kept_s=fleet.settings.retention, timezone=fleet.settings.timezone,
    )


def _repository(settings: Settings, definition: Definition) -> Repository | None:
    """Find the fleet's repository for a server's backups; None: the host's own."""
    return settings.backups.get(definition.backup.repository) if definition.backup else None
