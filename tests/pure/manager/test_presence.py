"""Which hosts are lost: those that are silent while the manager listens, and no others."""

from __future__ import annotations

from zedops.manager.liveness import SILENT_S, Liveness


def watched(presence: Liveness, begin_s: int, end_s: int) -> list[str]:
    """Look each second, as a manager does; returns who was missed."""
    missed: list[str] = []
    for now in range(begin_s, end_s):
        missed += presence.miss(["attic"], now)
    return missed


def test_a_host_that_is_silent_for_too_long_is_lost_once() -> None:
    presence = Liveness()
    presence.hear("attic", 0)
    assert watched(presence, 0, int(SILENT_S)) == []
    assert watched(presence, int(SILENT_S), 100) == ["attic"]


def test_a_manager_that_was_frozen_misses_nobody() -> None:
    presence = Liveness()
    presence.hear("attic", 5)
    assert watched(presence, 0, 10) == []
    assert watched(presence, 500, 510) == []
    presence.hear("attic", 510)
    assert watched(presence, 510, 530) == []


def test_a_host_that_was_gone_before_the_freeze_is_still_missed_after_it() -> None:
    presence = Liveness()
    presence.hear("attic", 0)
    assert watched(presence, 0, 15) == []
    assert watched(presence, 500, 505) == []
    assert watched(presence, 505, 530) == ["attic"]


def test_a_host_that_was_put_out_is_lost_at_once_whatever_was_frozen() -> None:
    presence = Liveness()
    presence.hear("attic", 0)
    assert watched(presence, 0, 3) == []
    presence.revoke("attic")
    assert presence.miss(["attic"], 300) == ["attic"]
