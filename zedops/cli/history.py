"""`zedops history`: who asked, and what happened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import click

from zedops import checkout
from zedops.cli.names import ANY_SERVER
from zedops.cli.output import AT, show_json, table
from zedops.errors import UsageError
from zedops.layout import Kind, kind_of
from zedops.repository import Repository
from zedops.trailers import EMAIL, read_trailers

_LATE_S = 60
#: What people write can hold anything but NUL, and only the body a line end; no file's name is
#: empty, so that three NUL in a row begin a commit and nothing else does.
_FORMAT = "%x00%x00%x00%H%n%an%n%ce%n%ct%n%s%n%B%x00"


@click.command("history")
@click.argument("server", required=False, type=ANY_SERVER)
@click.option("-n", "--lines", default=30, show_default=True, help="How many, newest last.")
@click.option("--since", metavar="COMMIT|TIME", help="Only what came after.")
@AT
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def history_command(
    server: str | None, lines: int, since: str | None, at: str | None, as_json: bool
) -> None:
    """Show what people asked for and what came of it, as one timeline.

    \b
    zedops history
    zedops history rosewood -n 100
    zedops history --since 2026-11-23
    """
    repository = checkout.find_clone(Path.cwd())
    checkout.fetch(repository)
    span = [checkout.at(repository, at)] if at else checkout.branches(repository)
    if since:
        span.append(f"^{checkout.at(repository, since)}")
    entries = read_history(repository, server, lines, span)
    if as_json:
        show_json(entries)
        return
    table(
        ["WHEN", "WHO", "WHAT"],
        [[f"{each['at']:%Y-%m-%d %H:%M:%S}", each["who"], each["what"] + _late(each)]
         for each in entries],
        "nothing has happened yet",
    )


def read_history(
    repository: Repository, server: str | None, lines: int, span: Sequence[str]
) -> list[dict[str, Any]]:
    """Read the newest entries of a span of commits (gitrevisions(7)), oldest first."""
    paths = [f":(glob)servers.d/**/{server}.yaml", f"tombstones.d/{server}.yaml"] if server else []
    out = repository.pipe(
        "log", "--no-merges", f"--max-count={lines}", f"--format={_FORMAT}", "--name-only", "-z",
        *span, "--", *paths,
    )
    records = re.split("\0{3,}", out.decode("utf-8", "replace"))[1:]
    entries = [_entry(record) for record in records]
    if server and not entries and not any(each.startswith("^") for each in span):
        raise UsageError(f"no server {server!r} was ever here; `zedops list --all` shows the rest")
    return list(reversed(entries))


def _late(entry: dict[str, Any]) -> str:
    """Say when it happened, where that was told only later: its host had been cut off."""
    begun = [each["at"].split()[0] for each in entry["transitions"] if each.get("at")]
    first = min((datetime.fromisoformat(each) for each in begun), default=entry["at"])
    late = (entry["at"] - first).total_seconds() > _LATE_S
    return f"  (since {first:%Y-%m-%d %H:%M:%S})" if late else ""


def _entry(record: str) -> dict[str, Any]:
    meta, _, names = record.partition("\0")
    commit, author, committer, at, subject, body = meta.split("\n", 5)
    by_zedops = committer == EMAIL
    paths = [path for path in names.strip("\n\0").split("\0") if path]
    servers = [PurePosixPath(p).stem for p in paths if kind_of(p) in (Kind.SERVER, Kind.TOMBSTONE)]
    return {
        "at": datetime.fromtimestamp(int(at), UTC),
        "who": "zedops" if by_zedops else author,
        "what": subject,
        "commit": commit,
        "servers": sorted(set(servers)),
        "transitions": read_trailers(body) if by_zedops else [],
    }
