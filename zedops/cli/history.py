"""`zedops history`: who asked, and what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import click

from zedops import audit
from zedops.cli.screen import here, show_json, table
from zedops.clone import Clone
from zedops.errors import UsageError
from zedops.fleet import Kind, kind_of
from zedops.hub import EMAIL

_FORMAT = "%x01%H%x02%an%x02%ce%x02%ct%x02%s%x02%B%x03"


@click.command("history")
@click.argument("server", required=False)
@click.option("-n", "--lines", default=30, show_default=True, help="How many, newest last.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def history_command(server: str | None, lines: int, as_json: bool) -> None:
    """Show what people asked for and what came of it, as one timeline.

    \b
    zedops history
    zedops history rosewood -n 100
    """
    entries = read_history(here(), server, lines)
    if as_json:
        show_json(entries)
        return
    table(
        ["WHEN", "WHO", "WHAT"],
        [[f"{each['at']:%Y-%m-%d %H:%M:%S}", each["who"], each["what"]] for each in entries],
        "nothing has happened yet",
    )


def read_history(clone: Clone, server: str | None, lines: int) -> list[dict[str, Any]]:
    """Read the newest entries, oldest first."""
    paths = [f":(glob)servers.d/**/{server}.yaml", f"tombstones.d/{server}.yaml"] if server else []
    out = clone.repository.pipe(
        "log", "--no-merges", f"--max-count={lines}", f"--format={_FORMAT}", "--name-only", "-z",
        *clone.branches(), "--", *paths,
    )
    entries = [_entry(record) for record in out.decode("utf-8", "replace").split("\x01")[1:]]
    if server and not entries:
        raise UsageError(f"no server {server!r} was ever here; `zedops list --all` shows the rest")
    return list(reversed(entries))


def _entry(record: str) -> dict[str, Any]:
    meta, _, names = record.partition("\x03")
    commit, author, committer, at, subject, body = meta.split("\x02", 5)
    by_zedops = committer == EMAIL
    paths = [path for path in names.strip("\n\0").split("\0") if path]
    servers = [PurePosixPath(p).stem for p in paths if kind_of(p) in (Kind.SERVER, Kind.TOMBSTONE)]
    return {
        "at": datetime.fromtimestamp(int(at), UTC),
        "who": "zedops" if by_zedops else author,
        "what": subject,
        "commit": commit,
        "servers": sorted(set(servers)),
        "transitions": audit.read_trailers(body) if by_zedops else [],
    }
