"""The snapshots of worlds, as the hosts of a fleet list them, and the curve of their sizes.

Pure but for `ask`, which sends a request to a host.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zedops.errors import ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.backups import BackupsReply, BackupsRequest
from zedops.protocol.requests import expect
from zedops.queries.hosts import Ask
from zedops.queries.output import SnapshotRow
from zedops.spec.backup import OWN
from zedops.spec.document import Document
from zedops.spec.state_block import format_time

#: How far the clock of a person's machine may be ahead of a host's.
_FAST = timedelta(minutes=10)


@dataclass
class Listed:
    """Snapshots, the repositories that could not be read, and where passwords are."""

    rows: list[SnapshotRow] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)


def snapshots(fleet: Fleet, ask: Ask, each: Document | None = None) -> Listed:
    """List the snapshots of every repository, or of one server in its own; the oldest first."""
    found = Listed()
    names = {one.id: one.name for one in (*fleet.servers(), *fleet.tombstones()) if one.id}
    for host, repository in _places(fleet) if each is None else _place(fleet, each):
        request = BackupsRequest(
            name=repository, repository=fleet.settings.backups.get(repository),
            server_id=each.id if each else None,
        )
        try:
            reply = expect(ask(host, request), BackupsReply, host)
        except ZedopsError as error:
            found.silent[f"{repository} of {host}"] = str(error)
            continue
        if reply.password_path is not None:
            found.passwords[host] = reply.password_path
        found.rows += [
            SnapshotRow(
                id=one.id, server=names.get(one.server_id, one.server_name), host=host,
                server_id=one.server_id, at=format_time(one.at), reason=one.reason,
                repository=repository, address=reply.address, size_bytes=one.size_bytes,
                files=one.files,
            )
            for one in reply.snapshots
        ]
    found.rows.sort(key=lambda each: (each.at, each.id))
    return found


def _place(fleet: Fleet, each: Document) -> Iterable[tuple[str, str]]:
    definition, host = fleet.resolve(each)[0], fleet.place(each)[0]
    if host is not None:
        yield host, definition.backup.repository if definition and definition.backup else OWN


def _places(fleet: Fleet) -> list[tuple[str, str]]:
    """List (host, repository): each host's own, and each other one by a host that uses it."""
    places = [(host, OWN) for host in fleet.settings.hosts]
    users: dict[str, str] = {}
    for each in fleet.servers():
        definition, host = fleet.resolve(each)[0], fleet.place(each)[0]
        if definition is not None and definition.backup is not None and host is not None:
            users.setdefault(definition.backup.repository, host)
    others = sorted(fleet.settings.backups)
    return places + [(users.get(each, fleet.settings.hosts[0]), each) for each in others]


def before_update(rows: Iterable[SnapshotRow], changed_at: datetime) -> SnapshotRow | None:
    """Find the snapshot that a change of an image brought about; None if there is none.

    The change has its time from a person's machine, whose clock may be fast.
    """
    since = changed_at - _FAST
    return next((each for each in rows
                 if each.reason == "update" and datetime.fromisoformat(each.at) >= since), None)


@dataclass(frozen=True)
class Point:
    """A snapshot in a picture, from its lower left corner."""

    x: float
    y: float
    row: SnapshotRow


def curve(rows: Sequence[SnapshotRow], width: float, height: float) -> list[Point]:
    """Place snapshots by time and size; empty for fewer than two sizes."""
    known = [(datetime.fromisoformat(each.at).timestamp(), each.size_bytes, each)
             for each in rows if each.size_bytes is not None]
    if len(known) < 2:
        return []
    first, last = known[0][0], known[-1][0]
    most = max(size for _, size, _ in known) or 1
    span = (last - first) or 1
    return [Point(round((at - first) / span * width, 1), round(size / most * height, 1), row)
            for at, size, row in known]
