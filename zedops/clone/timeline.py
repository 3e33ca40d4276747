"""Reads the past of a fleet: moments, what one commit changed, and how two moments differ.

Only looks. Texts are bounded: a commit may hold any number of files of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

from zedops.clone.clone import Clone
from zedops.clone.history import read_history
from zedops.errors import GitFailed, UsageError
from zedops.git.objects import moment
from zedops.queries.changes import compare
from zedops.queries.conversion import written
from zedops.queries.output import Difference, HistoryRow
from zedops.spec.layout import Kind, kind_of

#: The most lines of a diff, and characters of one of its lines.
MOST_LINES, MOST_WIDTH = 1500, 500
_MOST_MESSAGE = 4000
_KINDS = {"+": "add", "-": "cut", "d": "file"}


@dataclass(frozen=True)
class Moment:
    """One commit of main, and its time."""

    commit: str
    at: str


@dataclass(frozen=True)
class Changed:
    """What one commit changed."""

    moment: Moment
    who: str
    message: str
    servers: tuple[str, ...]
    diff: tuple[tuple[str, str], ...]  #: (kind, line): add, cut, file, same
    is_cut: bool  #: the diff is longer than it is here
    before: str  #: its parent; empty for the first commit


@dataclass(frozen=True)
class Compared:
    """How two moments differ."""

    old: Moment
    new: Moment
    rows: list[Difference]
    diff: tuple[tuple[str, str], ...]
    is_cut: bool


def find(clone: Clone, when: str) -> Moment:
    """Find the moment of a commit or of a time. UsageError if there is none."""
    return _moment(clone, clone.at(when))


def entries(clone: Clone, server: str | None, count: int, before: str = "") -> list[HistoryRow]:
    """Read changes with their results, newest first; those before a commit if one is named."""
    if not before:
        return list(reversed(read_history(clone.repository, server, count, clone.branches())))
    start = clone.at(before)
    found = read_history(clone.repository, server, count + 1, [start])
    return [each for each in reversed(found) if each.commit != start][:count]


def changed(clone: Clone, when: str) -> Changed:
    """Read what one commit changed."""
    found = find(clone, when)
    repository = clone.repository
    said = repository.run("log", "-1", "--format=%an%x00%P%x00%B", "--end-of-options",
                          found.commit)
    who, parents, message = said.split("\0", 2)
    before = parents.split(" ")[0]
    base = before or clone.repository.run("hash-object", "-t", "tree", "/dev/null")
    paths = [each.path for each in repository.changes(base, found.commit)]
    diff, is_cut = _diff(clone, base, found.commit)
    names = {path.rpartition("/")[2].removesuffix(".yaml") for path in paths
             if kind_of(path) in (Kind.SERVER, Kind.TOMBSTONE)}
    return Changed(found, who, message.strip()[:_MOST_MESSAGE], tuple(sorted(names)), diff,
                   is_cut, before)


def between(clone: Clone, old: str, new: str) -> Compared:
    """Compare two moments: servers by field, and the files as text."""
    one, other = find(clone, old), find(clone, new)
    rows = compare(clone.fleet(one.commit), clone.fleet(other.commit))
    diff, is_cut = _diff(clone, one.commit, other.commit)
    return Compared(one, other, rows, diff, is_cut)


def text_at(clone: Clone, commit: str, path: str) -> str:
    """Read a file as it was; empty if it was not there."""
    raw = clone.contents(commit, [path])[path]
    return (raw or b"").decode("utf-8", "replace")


def _moment(clone: Clone, commit: str) -> Moment:
    try:
        at = clone.repository.run("log", "-1", "--format=%ct", "--end-of-options", commit)
    except GitFailed as error:
        raise UsageError(f"{commit[:40]} is no commit of this fleet") from error
    return Moment(commit, written(moment(at.strip())))


def _diff(clone: Clone, old: str, new: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    raw = clone.repository.pipe(
        "diff-tree", "-p", "-r", "-M", "--no-color", "--no-ext-diff", "--no-textconv",
        "--end-of-options", old, new,
    )
    lines = raw.decode("utf-8", "replace").split("\n")[:-1]
    made = []
    for line in lines[:MOST_LINES]:
        if line.startswith(("index ", "--- ", "+++ ")):
            continue
        made.append((_KINDS.get(line[:1], "same"), line[:MOST_WIDTH]))
    return tuple(made), len(lines) > MOST_LINES
