"""Reads the history of a fleet and of its servers: the commits of people, and their results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from zedops.clone import checkout
from zedops.errors import UsageError
from zedops.fleet.trailers import EMAIL, read_reasons, read_trailers
from zedops.git.objects import moment
from zedops.git.repository import Repository
from zedops.queries.conversion import written
from zedops.queries.output import HistoryRow
from zedops.spec.layout import SERVERS, Kind, kind_of, tombstone_path

#: git stores no NUL in texts and no empty file name, so only a commit begins with three NUL in a
#: row. Only the body holds line ends.
_FORMAT = "%x00%x00%x00%H%n%an%n%ce%n%ct%n%s%n%B%x00"


def read_history(
    repository: Repository, server: str | None, lines: int, span: Sequence[str]
) -> list[HistoryRow]:
    """Read the newest entries of a span of commits (gitrevisions(7)), oldest first.

    For one server, include the entries under its former names.
    """
    renames = _renames(repository, server, span) if server else {}
    names = [server, *(old for pair in renames.values() for old in pair[:1])] if server else []
    paths = [path for each in names for path in (checkout.places(each), tombstone_path(each))]
    count = [] if renames else [f"--max-count={lines}"]
    out = repository.pipe(
        "log", "--no-merges", *count, f"--format={_FORMAT}", "--name-only", "-z",
        "--end-of-options", *span, "--", *paths,
    )
    records = re.split("\0{3,}", out.decode("utf-8", "replace"))[1:]
    entries = _of_names([_entry(record) for record in records], server, renames)[:lines]
    if server and not entries and not any(each.startswith("^") for each in span):
        raise UsageError(f"no server {server!r} was ever here; `zedops list --all` shows the rest")
    return list(reversed(entries))


def _renames(
    repository: Repository, server: str, span: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Find the commits that renamed a server, now or before: commit → (old, new)."""
    out = repository.pipe(
        "log", "--no-merges", "-M", "--diff-filter=R", "--name-status", "-z",
        "--format=%x00%x00%x00%H",
        "--end-of-options", *span, "--", SERVERS,
    ).decode("utf-8", "surrogateescape")
    found, name = {}, server
    for record in re.split("\0{3,}", out)[1:]:
        commit, *fields = (each.strip("\n") for each in record.split("\0"))
        for old, new in zip(fields[1::3], fields[2::3], strict=False):
            if _stem(new) == name != _stem(old):
                found[commit] = (_stem(old), name)
                name = _stem(old)
                break
    return found


def _of_names(
    entries: list[HistoryRow], server: str | None, renames: dict[str, tuple[str, str]]
) -> list[HistoryRow]:
    """Keep the entries of a server under its name at that time; `entries` are newest first."""
    kept, name = [], server
    for each in entries:
        if not renames or name in each.servers:
            kept.append(each)
        name = renames.get(each.commit, (name,))[0]
    return kept


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _entry(record: str) -> HistoryRow:
    meta, _, names = record.partition("\0")
    commit, author, committer, at, subject, body = meta.split("\n", 5)
    by_zedops = committer == EMAIL
    paths = [path for path in names.strip("\n\0").split("\0") if path]
    servers = [_stem(p) for p in paths if kind_of(p) in (Kind.SERVER, Kind.TOMBSTONE)]
    return HistoryRow(
        at=written(moment(at)),
        who="zedops" if by_zedops else author,
        what=subject,
        commit=commit,
        servers=sorted(set(servers)),
        transitions=read_trailers(body) if by_zedops else [],
        why=read_reasons(body) if by_zedops else {},
    )
