"""Which server a file is: ids across edits, renames, copies, deletions and restores.

A file's state block is only a hint, because people can edit it; the manager's own states (the
fleet before the change) are the truth. An id belongs to one file at a time. Pure: the source of
new ids is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from zedops import lifecycle
from zedops.document import Document
from zedops.fleet import Fleet, Kind, is_same_server, kind_of, tombstone_path
from zedops.model import State, Status


def succeed(
    old: Fleet, new: Fleet, changed: Iterable[str], new_id: Callable[[], str], now: datetime
) -> Fleet:
    """Carry the states of `old` over to the files of `new`, of which only `changed` differ.

    Returns `new` with trusted states: ids given to new servers, tombstones made of removed ones,
    and restored ones revived. What differs from the files in git is to be committed.
    """
    paths = set(changed)
    claims = _claims(old, new, paths)
    known = old.by_id()
    results: dict[str, Document | None] = {}
    for path in sorted(paths):
        document = new.documents.get(path)
        if document is not None and kind_of(path) is Kind.SERVER:
            state = _state(document, claims.get(path), known, new.host_of(document), new_id, now)
            results[path] = replace(document, state=state)
    living = {each.id for each in new.with_documents(results).servers() if each.id}
    return new.with_documents(results | _graves(old, new, paths, living, now))


def _claims(old: Fleet, new: Fleet, paths: set[str]) -> dict[str, str]:
    """Decide which changed file is which known or self-declared server."""
    fixed = {each.id for each in old.servers() if each.path not in paths}
    known = old.by_id()
    claims: dict[str, str] = {}

    def claim(path: str, server_id: str | None) -> None:
        if server_id and server_id not in fixed and server_id not in claims.values():
            claims.setdefault(path, server_id)

    living = [path for path in sorted(paths) if path in new.documents]
    living = [path for path in living if kind_of(path) is Kind.SERVER]
    for path in living:
        if _id_at(old, path) == _id_at(new, path):
            claim(path, _id_at(new, path))
    for path in living:
        if _id_at(new, path) in known:
            claim(path, _id_at(new, path))
    for path in living:
        claim(path, _id_at(old, path))
        grave = old.documents.get(tombstone_path(PurePosixPath(path).stem))
        if grave and is_same_server(new.documents[path], grave):
            claim(path, grave.id)
        claim(path, _id_at(new, path))
        if path not in claims and path not in old.documents:
            claim(path, _moved_here(old, new, path))
    return claims


def _moved_here(old: Fleet, new: Fleet, path: str) -> str | None:
    """Find whose file was renamed to this path before its first state was pulled: by its text."""
    head = new.documents[path].head
    gone = [each for each in old.servers() if each.path not in new.documents and each.head == head]
    return gone[0].id if len(gone) == 1 else None


def _id_at(fleet: Fleet, path: str) -> str | None:
    document = fleet.documents.get(path)
    return document.id if document else None


def _state(
    document: Document,
    server_id: str | None,
    known: dict[str, Document],
    host: str | None,
    new_id: Callable[[], str],
    now: datetime,
) -> State:
    if server_id is None:
        return lifecycle.born(new_id(), host, now)
    before = known.get(server_id)
    state = before.state if before else document.state
    if state is None:
        return lifecycle.born(server_id, host, now)
    buried = before is not None and kind_of(before.path) is Kind.TOMBSTONE
    return lifecycle.revive(state, now) if buried or state.deleted_at else state


def _graves(
    old: Fleet, new: Fleet, paths: set[str], living: set[str], now: datetime
) -> dict[str, Document | None]:
    """Say what becomes of tombstones: made of servers that are gone, ended where one came back.

    An id that nobody lives under any more keeps exactly one tombstone, whatever was done to files.
    """
    known = old.by_id()
    graves: dict[str, Document | None] = {
        each.path: None for each in old.tombstones() if each.id in living
    }
    held = {each.id for each in old.tombstones() if each.path not in paths}
    before = [old.documents[path] for path in sorted(paths) if path in old.documents]
    gone = [(each, each.state) for each in before if each.state and each.id not in living]
    for each, state in gone:
        if kind_of(each.path) is Kind.SERVER:
            path = tombstone_path(each.name)
            moved = new.documents.get(path) if path in paths else None
            text = moved if moved is not None and moved.id in (None, state.id) else each
            graves[path] = replace(text, path=path, state=lifecycle.bury(state, now))
            held.add(state.id)
    for path in _touched_graves(old, new, paths):
        if graves.get(path) is None:
            grave = _grave(new.documents[path], old.documents.get(path), known, now)
            kept = grave is not None and grave.id not in held | living
            graves[path] = grave if kept else None
            held |= {grave.id} if grave else set()
    for each, state in gone:
        is_grave = kind_of(each.path) is Kind.TOMBSTONE
        if is_grave and state.id not in held and state.status is not Status.DELETED:
            graves[each.path] = each  # its container is still there: not yet to be forgotten
    return graves


def _touched_graves(old: Fleet, new: Fleet, paths: set[str]) -> list[str]:
    """List the changed tombstones, those that were there before first."""
    there = (path for path in paths if path in new.documents and kind_of(path) is Kind.TOMBSTONE)
    return sorted(there, key=lambda path: (path not in old.documents, path))


def _grave(
    after: Document, before: Document | None, known: dict[str, Document], now: datetime
) -> Document | None:
    """Keep a tombstone that a person touched, or one they made by moving a file there."""
    owner = before or known.get(after.id or "")
    state = owner.state if owner else after.state
    return replace(after, state=lifecycle.bury(state, now)) if state else None
