"""Asks the hosts of a fleet for the snapshots in their repositories."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.backups import BackupsReply, BackupsRequest
from zedops.queries.output import SnapshotRow
from zedops.spec.backup import OWN, wanted
from zedops.spec.state_block import format_time


@dataclass
class Listed:
    """Snapshots, the repositories that could not be read, and where passwords are."""

    rows: list[SnapshotRow] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)


def list_snapshots(clone: Clone, fleet: Fleet) -> Listed:
    """List the snapshots of every repository, the oldest first."""
    found = Listed()
    names = {each.id: each.name for each in (*fleet.servers(), *fleet.tombstones()) if each.id}
    for host, repository in _places(fleet):
        settings = fleet.settings.backups.get(repository)
        request = BackupsRequest(name=repository, repository=settings)
        try:
            reply = call(clone, host, request, BackupsReply)
        except ZedopsError as error:
            found.silent[f"{repository} of {host}"] = str(error)
            continue
        if reply.password_path is not None:
            found.passwords[host] = reply.password_path
        found.rows += [
            SnapshotRow(
                id=each.id, server=names.get(each.server_id, each.server_name), host=host,
                server_id=each.server_id, at=format_time(each.at), reason=each.reason,
                repository=repository, address=reply.address, size_bytes=each.size_bytes,
                files=each.files,
            )
            for each in reply.snapshots
        ]
    found.rows.sort(key=lambda each: (each.at, each.id))
    return found


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


def read_target(said: str, option: str) -> str:
    """Read a snapshot's id or a time; a time without a zone is of this machine's. UsageError."""
    what = said
    with suppress(ValueError):
        at = datetime.fromisoformat(said)
        what = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if wanted(what) is None:
        fact = "neither a snapshot's id nor a time such as 2026-11-30T20:00"
        raise UsageError(f"{option} {said}: {fact}")
    return what
