"""Three-way merge of a push into main by document, so that no push is refused for being behind.

The push supplies the definition of a server; the hub keeps the state block. If two people changed
the same lines, the merge reports a conflict for that file. Pure: the caller passes git's line merge
as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from zedops.errors import Problem
from zedops.spec import state_block
from zedops.spec.layout import Kind, kind_of

#: (base, ours, theirs) → merged, or None on a conflict.
TextMerge = Callable[[bytes, bytes, bytes], bytes | None]

_PULL = "run `git pull`, resolve the conflict and push again"


def merge(
    base: Mapping[str, bytes | None],
    ours: Mapping[str, bytes | None],
    theirs: Mapping[str, bytes | None],
    merge_text: TextMerge,
) -> tuple[dict[str, bytes | None], list[Problem]]:
    """Merge the paths that both sides changed since `base`. None means that the file is absent.

    `ours` is the hub, `theirs` the push. Returns the files for main, and every conflict.
    """
    results: dict[str, bytes | None] = {}
    problems: list[Problem] = []
    for path in sorted(theirs):
        merged = _merge_path(path, base.get(path), ours.get(path), theirs[path], merge_text)
        if isinstance(merged, Problem):
            problems.append(merged)
        else:
            results[path] = merged
    return results, problems


def take_theirs(path: str, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """Settle a conflict that cannot be refused: the person's definition, the hub's state."""
    if ours is None or theirs is None or kind_of(path) not in (Kind.SERVER, Kind.TOMBSTONE):
        return theirs
    return _joined(head_of(theirs), ours)


def folders(path: str) -> Iterator[str]:
    """Name the folders that a file is in, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def path_conflicts(here: Collection[str], files: Mapping[str, object]) -> dict[str, str]:
    """Find new files that would replace files that stay; return one replaced file for each.

    A name in a tree is a file or a folder: writing `a/b` removes the file `a`, and writing `a`
    removes all files in the folder. `here` are the present files, `files` the changes to them.
    """
    stay = {path for path in here if files.get(path, path) is not None}
    held = {folder: path for path in stay for folder in folders(path)}
    found = {}
    for path, each in files.items():
        if each is not None and path not in here:
            above = next((folder for folder in folders(path) if folder in stay), None)
            if (other := above or held.get(path)) is not None:
                found[path] = other
    return found


def _merge_path(
    path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None, merge_text: TextMerge
) -> bytes | Problem | None:
    if theirs in (ours, base):
        return ours
    if base == ours:
        return theirs
    if kind_of(path) in (Kind.SERVER, Kind.TOMBSTONE):
        return _merge_server(path, base, ours, theirs, merge_text)
    if ours is None or theirs is None:
        return Problem(path, 0, 0, "", "deleted on one side, changed on the other", _PULL)
    merged = merge_text(base or b"", ours, theirs)
    if merged is None:
        return Problem(path, 0, 0, "", "another push changed it differently", _PULL)
    return merged


def _merge_server(
    path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None, merge_text: TextMerge
) -> bytes | Problem | None:
    base_head, our_head, their_head = head_of(base), head_of(ours), head_of(theirs)
    if theirs is None:
        if our_head == base_head:
            return None  # the hub changed only the state
        return Problem(path, 0, 0, "", "deleted here, but another push changed it", _PULL)
    if ours is None:
        if their_head == base_head:
            return None
        return Problem(path, 0, 0, "", "changed here, but deleted or renamed meanwhile", _PULL)
    if their_head in (our_head, base_head):
        return ours
    if our_head == base_head:
        return _joined(their_head, ours)
    merged = merge_text(base_head or b"", our_head or b"", their_head or b"")
    if merged is None:
        return Problem(path, 0, 0, "", "another push changed the same lines", _PULL)
    return _joined(merged, ours)


def head_of(content: bytes | None) -> bytes | None:
    """Cut off the state block; also from bytes that are not UTF-8."""
    if content is None:
        return None
    return state_block.split(content.decode("utf-8", "surrogateescape"))[0].encode(
        "utf-8", "surrogateescape"
    )


def _joined(head: bytes | None, ours: bytes) -> bytes:
    """Put the hub's own state block under a head."""
    _, tail, line = state_block.split(ours.decode("utf-8", "surrogateescape"))
    state, _ = state_block.read("", tail, line)
    text = (head or b"").decode("utf-8", "surrogateescape")
    if state is None:
        return head or b""
    return state_block.render(text, state)
