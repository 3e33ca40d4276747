"""The snapshots of a fleet, as its hosts answer; and the curve of their sizes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.pure.fleets import NOW, doc, fleet_of, running, server_id
from zedops.errors import HostUnavailable
from zedops.protocol.backups import BackupsReply, BackupsRequest, SnapshotFacts
from zedops.protocol.requests import Reply, Request
from zedops.queries import backups
from zedops.queries.output import SnapshotRow


def row(days: float, size: int | None) -> SnapshotRow:
    """Make a snapshot so many days later."""
    at = (NOW + timedelta(days=days)).isoformat()
    return SnapshotRow("4bba301e", "a", server_id(1), at, "asked", "local", "host", "/r", size, 1)


def test_a_curve_goes_from_the_first_snapshot_to_the_last_up_to_the_largest() -> None:
    found = backups.curve([row(0, 50), row(1, None), row(3, 100), row(4, 0)], 400, 100)
    assert [(each.x, each.y) for each in found] == [(0, 50), (300, 100), (400, 0)]
    assert backups.curve([row(0, 50)], 400, 100) == []
    assert [each.y for each in backups.curve([row(0, 0), row(0, 0)], 400, 100)] == [0, 0]


def test_snapshots_of_one_server_are_asked_of_its_host_and_repository_alone() -> None:
    asked: list[tuple[str, Request]] = []

    def ask(host: str, request: Request) -> Reply:
        asked.append((host, request))
        if host == "away":
            raise HostUnavailable("it does not answer")
        facts = SnapshotFacts(id="4bba301e", at=NOW, server_id=server_id(1), server_name="old",
                              reason="asked", size_bytes=7, files=2)
        return BackupsReply(address="/r", snapshots=(facts,))

    one = doc("servers.d/a.yaml", "image: a\nhost: local\n", running(1))
    gone = doc("servers.d/b.yaml", "image: a\nhost: away\n", running(2, host="away"))
    fleet = fleet_of(one, gone)
    found = backups.snapshots(fleet, ask, one)
    assert asked == [("local", BackupsRequest(name="host", server_id=server_id(1)))]
    assert [(each.server, each.size_bytes) for each in found.rows] == [("a", 7)]
    silent = backups.snapshots(fleet, ask, gone)
    assert (silent.rows, silent.silent) == ([], {"host of away": "it does not answer"})


def test_the_snapshot_before_another_image_is_the_first_one_that_the_change_brought_about() -> None:
    def made(days: float, reason: str) -> SnapshotRow:
        return replace(row(days, 1), reason=reason, id=f"{days}")

    rows = [made(-1, "update"), made(0, "schedule"), made(0.01, "update"), made(2, "update")]
    found = backups.before_update(rows, NOW)
    assert found is not None
    assert found.id == "0.01"
    assert backups.before_update(rows, NOW + timedelta(days=2, minutes=9)) == rows[3]
    assert backups.before_update(rows, NOW + timedelta(days=3)) is None
