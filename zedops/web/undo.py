"""Undoing a change of an image together with its world.

Another image may convert a world, so that the former image cannot read it any more. Before such a
change the host makes a snapshot: an undo offers it, and both go into one commit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from zedops.clone import worlds
from zedops.clone.verbs import Act
from zedops.control import client
from zedops.queries import backups
from zedops.queries.conversion import read_all
from zedops.queries.output import SnapshotRow
from zedops.spec import document
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.web.site import Site


@dataclass(frozen=True)
class Undo:
    """An undo, its base, and the snapshot from before the change, if there is one."""

    act: Act
    base: str
    server: str = ""
    snapshot: str = ""


def undo(site: Site, commit: str) -> Undo:
    """Take back a commit, and look for the snapshot that came before another image."""
    act, base = site.desk.undo(commit)
    each = _updated(site, act, base)
    if each is None:
        return Undo(act, base)
    said = client.ask_hub(site.hub, {"do": "snapshots", "server": each.name}, lambda _: None)
    found = backups.before_update(read_all(SnapshotRow, said["rows"]), site.desk.made_at(commit))
    return Undo(act, base, each.name, found.id if found else "")


def with_world(made: Undo, now: datetime) -> Act:
    """Add the restore of the snapshot to an undo."""
    (path, content), = made.act.files.items()
    restored = worlds.act(document.parse(path, content or b""), "backup restore", now,
                          made.snapshot)
    subject, _, rest = made.act.message.partition("\n")
    message = f"{subject}\n\n{made.server} gets the world of snapshot {made.snapshot}.{rest}"
    return replace(made.act, message=message, files=restored.files)


def _updated(site: Site, act: Act, base: str) -> Document | None:
    """Find the one server whose image an undo changes."""
    if len(act.files) != 1:
        return None
    (path, content), = act.files.items()
    with site.desk.clone() as clone:
        before = clone.contents(base, [path])[path]
    if content is None or before is None or kind_of(path) is not Kind.SERVER:
        return None
    then, now = document.parse(path, content), document.parse(path, before)
    if then.definition is None or now.definition is None:
        return None
    return then if then.definition.image != now.definition.image else None
