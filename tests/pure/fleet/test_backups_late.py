"""Backups and proofs that do not come: when they are overdue, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from tests.pure.fleet.test_notifications import _commit
from tests.pure.fleets import NOW, doc, fleet_of, later, running
from zedops.fleet import backups, notifications
from zedops.fleet.fleet import Fleet
from zedops.fleet.notifications import Notice
from zedops.protocol.remarks import BACKUP_FAILED, PROOF_FAILED
from zedops.spec.backup import LastBackup
from zedops.spec.settings import Event, Notify, Settings
from zedops.spec.state import State, Status

HOUR_S = 3600.0
LAST = LastBackup(at=NOW, snapshot="4bba301e", size_bytes=7, files=2)
DATA = "image: a\nvolumes: {w: /data}\n"


def fleet(backup: str, last: LastBackup | None = LAST, zone: str = "UTC") -> Fleet:
    """Have a fleet of one server."""
    state = running(1, backup=str(last) if last else None)
    text = f"{DATA}backup: {backup}\n"
    return fleet_of(doc("servers.d/a.yaml", text, state),
                    settings=Settings(name="fleet", hosts=("local",), timezone=zone))


def first_late(found: Fleet, hours: Sequence[float]) -> float | None:
    """Say after how many hours something is late."""
    return next((at for at in hours if list(backups.late(found, later(at * HOUR_S)))), None)


HOURS = [half / 2 for half in range(24 * 2 * 20)]


@pytest.mark.parametrize(
    ("backup", "hours"),
    [
        ("{every: 6h}", 13.0),  # two of them were missed
        ('{every: "0 12 * * *"}', 27.0),  # 12:00 today and tomorrow; it is 10:00
        ('{every: "0 12 * * 1"}', 7 * 24 + 3.0),  # a Monday
        ('{at: "11:00"}', 26.0),
        ("{keep: {last: 3}}", None),  # on request only
        ("{prove: 7d}", 14 * 24 + 1.0),
    ],
)
def test_a_backup_is_overdue_once_two_of_its_times_have_passed(
    backup: str, hours: float | None
) -> None:
    assert first_late(fleet(backup), HOURS) == hours


def test_the_fleets_timezone_counts() -> None:
    assert first_late(fleet('{at: "20:00"}', zone="Asia/Tokyo"), HOURS) == 26.0  # 11:00 UTC


def test_a_new_server_has_time_for_its_first_backup() -> None:
    found = fleet("{every: 6h}", None)
    assert first_late(found, HOURS) == 1.0
    [(_, said)] = backups.late(found, later(HOUR_S))
    assert said == "a has a schedule of backups, and no backup yet"


def test_a_proof_counts_from_the_last_one() -> None:
    proven = LAST.model_copy(update={"proven_at": later(24 * HOUR_S), "proven": "4bba301e"})
    assert first_late(fleet("{prove: 7d}", proven), HOURS) == 15 * 24 + 1.0


def test_what_is_late_is_told_once_for_each_backup() -> None:
    def told(at: datetime, last: LastBackup = LAST) -> dict[str, Notice]:
        return dict(notifications.backups_late(fleet("{every: 6h}", last), at))

    one, same = told(later(20 * HOUR_S)), told(later(40 * HOUR_S))
    assert one.keys() == same.keys()
    [notice] = one.values()
    assert notice.event is Event.BACKUP
    assert notice.text == "a: the last backup is 20 h old, and its schedule asks for more"
    newer = LAST.model_copy(update={"at": later(HOUR_S)})
    assert told(later(40 * HOUR_S), newer).keys() != one.keys()


@pytest.mark.parametrize("begins", [BACKUP_FAILED, PROOF_FAILED])
def test_a_failed_backup_or_proof_is_told_with_its_reason(begins: str) -> None:
    path: list[Status | None] = [Status.RUNNING]
    found = notifications.of_commit(_commit(("rosewood", path, f"{begins}no room")))
    assert found == [Notice(Event.BACKUP, f"rosewood: {begins}no room")]
    assert Event.BACKUP in Notify(url="${X}").on


def test_a_server_without_data_is_never_late() -> None:
    state = State.model_validate(running(1).model_copy(update={"data_exists": False}))
    found = fleet_of(doc("servers.d/a.yaml", f"{DATA}backup: {{every: 6h}}\n", state))
    assert not list(backups.late(found, later(1000 * HOUR_S)))
