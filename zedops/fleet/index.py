"""An immutable index of a fleet's documents; the cost of a changed copy depends on the changes.

A small layer of changes lies over a large one that copies share; a small layer that grows too large
is merged into a new one. Indexes find tombstones, and the files of an id, a name or a host, without
a full scan. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from zedops.spec.document import Document
from zedops.spec.layout import TOMBSTONES

V = TypeVar("V")

#: Most entries of the small layer: a copy costs at most these; one in so many merges the layers.
_THIN = 256


class PersistentMap(Mapping[str, V]):
    """An immutable mapping in two layers; the order of its keys has no meaning."""

    __slots__ = ("_above", "_below", "_length")

    def __init__(self, below: dict[str, V], above: dict[str, V | None], length: int) -> None:
        self._below, self._above, self._length = below, above, length

    def replaced(self, changes: Mapping[str, V | None]) -> PersistentMap[V]:
        """Make a copy with some values replaced; None removes one."""
        grown = sum((new is not None) - (key in self) for key, new in changes.items())
        above = {**self._above, **changes}
        if len(above) <= _THIN:
            return PersistentMap(self._below, above, self._length + grown)
        merged = {**self._below, **above}
        kept = {key: value for key, value in merged.items() if value is not None}
        return PersistentMap(kept, {}, len(kept))

    def each(self) -> Iterator[V]:
        """Iterate over the values, faster than by key."""
        above = self._above
        yield from (value for key, value in self._below.items() if key not in above)
        yield from (value for value in above.values() if value is not None)

    def differing(self, other: PersistentMap[V]) -> set[str]:
        """List the keys whose values may differ: few where one is a copy of the other."""
        if self._below is other._below:
            keys = self._above.keys() | other._above.keys()
        else:
            keys = self.keys() | other.keys()
        return {key for key in keys if self.get(key) is not other.get(key)}

    def __getitem__(self, key: str) -> V:
        value = self._above[key] if key in self._above else self._below[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        yield from (key for key in self._below if key not in self._above)
        yield from (key for key, value in self._above.items() if value is not None)

    def __len__(self) -> int:
        return self._length


#: key → the paths of its documents
Groups: TypeAlias = PersistentMap[tuple[str, ...]]


class DocumentIndex(Mapping[str, Document]):
    """Documents by path, with indexes of tombstones, ids, names and hosts."""

    __slots__ = ("_all", "_graves", "_hosts", "_names", "_paths")

    def __init__(self) -> None:
        self._all: PersistentMap[Document] = PersistentMap({}, {}, 0)
        self._graves: PersistentMap[Document] = PersistentMap({}, {}, 0)
        #: The files that name an id: several where a person copied a file.
        self._paths: Groups = PersistentMap({}, {}, 0)
        #: The files of living servers by name: several where two folders hold the same name.
        self._names: Groups = PersistentMap({}, {}, 0)
        #: The files of living servers by the host that their text names; "" where it names none.
        self._hosts: Groups = PersistentMap({}, {}, 0)

    @classmethod
    def of(cls, documents: Mapping[str, Document]) -> DocumentIndex:
        """Index documents; return them as they are if they are an index."""
        return documents if isinstance(documents, DocumentIndex) else cls().replaced(documents)

    def replaced(self, changes: Mapping[str, Document | None]) -> DocumentIndex:
        """Make a copy with some documents replaced; None removes one."""
        copy = DocumentIndex()
        copy._all = self._all.replaced(changes)
        graves = {path: each for path, each in changes.items() if is_tombstone(path)}
        copy._graves = self._graves.replaced(graves) if graves else self._graves
        moves = [(path, self._all.get(path), after) for path, after in changes.items()]
        copy._paths = _regrouped(self._paths, moves, lambda each: each.id)
        living = [each for each in moves if not is_tombstone(each[0])]
        copy._names = _regrouped(self._names, living, lambda each: each.name)
        copy._hosts = _regrouped(self._hosts, living, _host)
        return copy

    def servers(self) -> Iterator[Document]:
        """Iterate over the documents of living servers."""
        return (each for each in self._all.each() if not is_tombstone(each.path))

    def named(self, name: str) -> list[Document]:
        """List the living servers with a name: one, but for mistakes."""
        return [self._all[path] for path in self._names.get(name, ())]

    def on(self, host: str) -> list[Document]:
        """List the living servers whose own text names a host; "" for those that name none."""
        return [self._all[path] for path in self._hosts.get(host, ())]

    def differing(self, other: DocumentIndex) -> set[str]:
        """List the paths at which two indexes may differ."""
        return self._all.differing(other._all)

    def tombstones(self) -> Iterator[Document]:
        """Iterate over the documents of deleted servers."""
        return self._graves.each()

    def owner(self, server_id: str | None) -> Document | None:
        """Find the document with an id. A living server wins over a tombstone."""
        paths = self._paths.get(server_id or "", ())
        return self._all[min(paths, key=is_tombstone)] if paths else None

    def __getitem__(self, path: str) -> Document:
        return self._all[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _regrouped(
    groups: Groups, moves: Iterable[tuple[str, Document | None, Document | None]],
    key: Callable[[Document], str | None],
) -> Groups:
    """Move paths between groups, given the document before and after at each path."""
    changed: dict[str, dict[str, None]] = {}

    def members(name: str) -> dict[str, None]:
        if name not in changed:
            changed[name] = dict.fromkeys(groups.get(name, ()))
        return changed[name]

    for path, before, after in moves:
        old = key(before) if before is not None else None
        new = key(after) if after is not None else None
        if old == new:
            continue
        if old is not None:
            members(old).pop(path, None)
        if new is not None:
            members(new)[path] = None
    return groups.replaced({name: tuple(each) or None for name, each in changed.items()})


def _host(document: Document) -> str:
    return (document.definition.host if document.definition else None) or ""


def is_tombstone(path: str) -> bool:
    """Tell a deleted server's file from a living one's."""
    return path.startswith(f"{TOMBSTONES}/")
