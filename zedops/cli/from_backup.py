"""A new server that begins with a snapshot of another one, which may be gone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from zedops.cli.backup_queries import list_snapshots, read_target
from zedops.clone.clone import Clone
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document

#: Fields of the one server, which another one must not repeat.
_ITS_OWN = ("world", "adopt", "moved_from", "purge", "restart", "rebuild")
_KEY = re.compile(r"([a-z_]+):")


@dataclass(frozen=True)
class Origin:
    """The server that a snapshot is of, and the snapshot."""

    server_id: str
    what: str
    document: Document | None  #: None: no file of the fleet has it any more

    def acts(self) -> str:
        """Write the lines that ask for its world."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"world:\n  of: {self.server_id}\n  restore: {self.what} ({now})\n"

    def head(self) -> str:
        """Write its definition for another server. UsageError if no file has it."""
        if self.document is None:
            remedy = "name its --game, or its --image and volumes"
            raise UsageError(f"no file of the fleet has that server any more; {remedy}")
        return without(self.document.head, _ITS_OWN)


def find(clone: Clone, fleet: Fleet, said: str) -> Origin:
    """Find a server by name or id, and a snapshot behind `@`. UsageError if there is none."""
    name, _, snapshot = said.partition("@")
    what = read_target(snapshot or "latest", "--from-backup")
    for each in (*fleet.servers(), *fleet.tombstones()):
        if name in (each.name, each.id) and each.id is not None:
            return Origin(each.id, what, each)
    found = list_snapshots(clone, fleet)
    ids = {each.server_id for each in found.rows if name in (each.server, each.server_id)}
    if len(ids) == 1:
        return Origin(ids.pop(), what, None)
    if ids:
        raise UsageError(f"{name!r} was the name of {len(ids)} servers; give the id of one: "
                         + ", ".join(sorted(ids)))
    unread = "; not read: " + "; ".join(found.silent.values()) if found.silent else ""
    raise UsageError(f"no snapshot of a server {name!r}; `zedops backups` lists them{unread}")


def without(text: str, keys: tuple[str, ...]) -> str:
    """Leave top-level keys out of a definition's text, with their blocks."""
    kept, skips = [], False
    for line in text.splitlines(keepends=True):
        match = _KEY.match(line)
        skips = match[1] in keys if match else skips and line[:1] in " -\t\r\n"
        kept += [] if skips else [line]
    return "".join(kept)
