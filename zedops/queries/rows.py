"""The read models of servers: see `output`, which has all others. Pure.

A module of its own, because each dataclass costs `list` and `show` half a millisecond to define.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from zedops.protocol.remarks import STARTING


@dataclass(frozen=True)
class ServerRow:
    """One server."""

    name: str
    path: Annotated[str, "its file, in the fleet"]
    id: Annotated[str | None, "stays the same through renames; null until zedops accepts the file"]
    status: Annotated[str, "pending, running, …: see [concepts](../concepts.md)"]
    desired: Annotated[str | None, "running or stopped; null where the file cannot be read"]
    host: str | None
    image: Annotated[str | None, "as in the definition"]
    ports: Annotated[list[str], "on the host, as in `16261/udp`"]
    data_exists: bool
    deleted_at: Annotated[str | None, "time, only of a deleted server"]
    container: Annotated[str | None, "its id"]
    commit: Annotated[str | None, "the newest commit that the host applied"]
    since: Annotated[str | None, "time of this status"]
    message: Annotated[str | None, "reason and remedy"]
    problems: Annotated[list[str], "problems of the file"]
    backup_at: Annotated[str | None, "time of the last good backup"]
    backup_snapshot: Annotated[str | None, "as `zedops backups` lists it"]
    backup_bytes: int | None
    ready: Annotated[bool | None, "as its `ready:` says; null: it has none, or does not run"]
    backup_proven_at: Annotated[str | None, "time of the last proof"]
    backup_proven: Annotated[str | None, "the snapshot that really started then"]
    backup_late_at: Annotated[str | None, "time from which its schedule lacks a backup"]

    @property
    def shown(self) -> str:
        """Name its status for people: a server that runs may still be starting."""
        is_starting = self.status == "running" and (self.message or "").startswith(STARTING)
        return "starting" if is_starting else self.status


@dataclass(frozen=True)
class ServerDetail(ServerRow):
    """One server with its resolved definition."""

    definition: Annotated[dict[str, Any] | None, "with preset and defaults; null: unreadable"]


@dataclass(frozen=True)
class ResolvedValue:
    """One value of a resolved definition."""

    field: Annotated[str, "dotted, as in `stop.grace`"]
    value: Any
    origin: Annotated[str, "its source: a file with its line, a preset, zedops itself"]
