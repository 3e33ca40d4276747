"""Server ids: which server a file is, across edits, renames, copies, deletions and restores.

A file's state block is only a hint, because people can edit it. The manager's own states (the fleet
before the change) are the truth. A pushed id that main does not hold is void: only the definition's
own `adopt: ID`, which is signed and checked, reuses it. A new fleet (no commit before) is trusted
as it is. An id belongs to one file at a time. Pure: the caller passes the source of new ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from zedops.fleet import lifecycle
from zedops.fleet.fleet import Fleet, is_same_server
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of, tombstone_path
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status


def placeholder_id() -> str:
    """Stand in for the id that a new server will get, where nothing is committed."""
    return "0" * 26


def carry_over_states(
    old: Fleet, new: Fleet, changed: Iterable[str], new_id: Callable[[], str], now: datetime
) -> Fleet:
    """Carry the states of `old` over to the files of `new`; only the paths in `changed` differ.

    Returns `new` with trusted states. `decide` holds the rules.
    """
    return new.with_documents(decide(old, new, changed, new_id, now))


def decide(
    old: Fleet, new: Fleet, changed: Iterable[str], new_id: Callable[[], str], now: datetime
) -> dict[str, Document | None]:
    """Return the documents that replace those of `new`, so that its states can be trusted.

    New servers get ids, removed ones become tombstones, restored ones revive. The caller commits
    the documents that differ from git. The cost grows with `changed`, not with the fleet.
    """
    paths = set(changed)
    claims = _claims(old, new, paths)
    results: dict[str, Document | None] = {}
    for path in sorted(paths):
        document = new.documents.get(path)
        if document is not None and kind_of(path) is Kind.SERVER:
            state = _state(document, claims.get(path), old, new.host_of(document), new_id, now)
            results[path] = replace(document, state=state)
    return results | _graves(old, new, paths, new.with_documents(results), now)


def dependent_paths(
    before: Fleet, after: Fleet, back: Iterable[str], changed: Iterable[str]
) -> set[str]:
    """Find the changed files that must be reverted along with those in `back`.

    If a server moved to another file, a revert of the new file alone would lose the server. Both
    fleets have trusted states.
    """
    paths, found = set(changed), set(back)
    left = list(found)
    while left:
        each = after.documents.get(left.pop())
        source = before.owner(each.id) if each is not None else None
        if source is not None and source.path in paths - found:
            found.add(source.path)
            left.append(source.path)
    return found


def _claims(old: Fleet, new: Fleet, paths: set[str]) -> dict[str, str]:
    """Map each changed file to its server's id, known before or declared by the file."""
    claims: dict[str, str] = {}
    claimed: set[str] = set()

    def claim(path: str, server_id: str | None) -> None:
        free = server_id not in claimed and path not in claims
        if server_id and free and not is_fixed(server_id):
            claims[path] = server_id
            claimed.add(server_id)

    def is_fixed(server_id: str) -> bool:
        owner = old.owner(server_id)
        return owner is not None and _is_server(owner) and owner.path not in paths

    living = [path for path in sorted(paths) if path in new.documents]
    living = [path for path in living if kind_of(path) is Kind.SERVER]
    for path in living:
        if _id_at(old, path) == _id_at(new, path):
            claim(path, _id_at(new, path))
    for path in living:
        if old.owner(_id_at(new, path)) is not None:
            claim(path, _id_at(new, path))
    left = _left(old, new, paths)
    for path in living:
        claim(path, _id_at(old, path))
        grave = old.documents.get(tombstone_path(PurePosixPath(path).stem))
        if grave and is_same_server(new.documents[path], grave):
            claim(path, grave.id)
        claim(path, _id_at(new, path) if believes(old) else new.documents[path].adopted_id)
        if path not in claims and path not in old.documents:
            # a file that was renamed before its first state was pulled: its text identifies it
            claim(path, left.get(new.documents[path].head))
    return claims


def believes(old: Fleet) -> bool:
    """Say whether the states in pushed files count: only in a fleet without a commit."""
    return not old.commit


def void_ids(old: Fleet, new: Fleet, paths: Iterable[str]) -> dict[str, str]:
    """Find the changed files whose states name an unknown server: path to id."""
    if believes(old):
        return {}
    ids = {path: _id_at(new, path) for path in paths if path not in old.documents}
    return {path: each for path, each in ids.items() if each and old.owner(each) is None}


def _left(old: Fleet, new: Fleet, paths: set[str]) -> dict[str, str | None]:
    """Map the texts of removed server files to ids; None if several files have the same text.

    A file that moved to the tombstones is a deletion, not a rename.
    """
    buried = {path for path in paths if path in new.documents and kind_of(path) is Kind.TOMBSTONE}
    found: dict[str, str | None] = {}
    for path in sorted(paths):
        each = old.documents.get(path)
        if each is None or not _is_server(each) or tombstone_path(each.name) in buried:
            continue
        if path not in new.documents:
            found[each.head] = None if each.head in found else each.id
    return found


def _is_server(document: Document) -> bool:
    return kind_of(document.path) is Kind.SERVER


def _id_at(fleet: Fleet, path: str) -> str | None:
    document = fleet.documents.get(path)
    return document.id if document else None


def _state(
    document: Document,
    server_id: str | None,
    old: Fleet,
    host: str | None,
    new_id: Callable[[], str],
    now: datetime,
) -> State:
    if server_id is None:
        return lifecycle.new_state(new_id(), host, now)
    before = old.owner(server_id)
    state = before.state if before else document.state if believes(old) else None
    if state is None:
        return lifecycle.new_state(server_id, host, now)
    buried = before is not None and kind_of(before.path) is Kind.TOMBSTONE
    return lifecycle.restore(state, now) if buried or state.deleted_at else state


def _graves(
    old: Fleet, new: Fleet, paths: set[str], after: Fleet, now: datetime
) -> dict[str, Document | None]:
    """Decide the tombstones: add them for removed servers, remove them for restored ones.

    `after` is `new` with the ids of its living servers. After any change of
    files, an id without a living server has exactly one tombstone.
    """
    def is_living(server_id: str | None) -> bool:
        owner = after.owner(server_id)
        return owner is not None and _is_server(owner)

    rules = _rules(old, new)
    graves: dict[str, Document | None] = {
        each.path: None for each in old.tombstones() if is_living(each.id)
    }
    held = {each.id for each in old.tombstones() if each.path not in paths}
    before = [old.documents[path] for path in sorted(paths) if path in old.documents]
    gone = [(each, each.state) for each in before if each.state and not is_living(each.id)]
    for each, state in gone:
        if _is_server(each):
            path = tombstone_path(each.name)
            moved = new.documents.get(path) if path in paths else None
            text = moved if moved is not None and moved.id in (None, state.id) else each
            graves[path] = replace(
                text, path=path, state=lifecycle.mark_deleted(state, now, *rules)
            )
            held.add(state.id)
    for path in _touched_graves(old, new, paths):
        if graves.get(path) is None:
            each = new.documents[path]
            grave = _grave(each, old.documents.get(path), old, new, now)
            kept = grave is not None and grave.id not in held and not is_living(grave.id)
            graves[path] = grave if kept else None
            held |= {grave.id} if grave else set()
    for each, state in gone:
        if not _is_server(each) and state.id not in held and state.status is not Status.DELETED:
            graves[each.path] = each  # its container still exists, so the id stays
    return graves


def _rules(old: Fleet, new: Fleet) -> tuple[Settings, ...]:
    """Return the settings that bind a deletion: those before and after; in a new fleet its own."""
    return (new.settings,) if believes(old) else (old.settings, new.settings)


def _touched_graves(old: Fleet, new: Fleet, paths: set[str]) -> list[str]:
    """List the changed tombstones, the older ones first."""
    there = (path for path in paths if path in new.documents and kind_of(path) is Kind.TOMBSTONE)
    return sorted(there, key=lambda path: (path not in old.documents, path))


def _grave(
    after: Document, before: Document | None, old: Fleet, new: Fleet, now: datetime
) -> Document | None:
    """Keep a tombstone that a person changed, or made by moving a file there."""
    adopted, rules = after.adopted_id, _rules(old, new)
    owner = before or old.owner(after.id) or old.owner(adopted)
    state = owner.state if owner else after.state if believes(old) else None
    if owner is None and adopted and state is None:
        state = lifecycle.new_state(adopted, new.host_of(after), now)
    return replace(after, state=lifecycle.mark_deleted(state, now, *rules)) if state else None
