"""When the next state commit is due, and when a clock can be trusted."""

from __future__ import annotations

from tests.pure.fleets import NOW, doc, running, server_id
from zedops.manager.commit_batch import BUSY_S, FLAPPING_S, QUIET_S, UNSETTLED_S, Journal
from zedops.manager.retention import STEADY_S, Clock
from zedops.spec.state import Status

A = "servers.d/a.yaml"


def note(journal: Journal, before: Status, after: Status, number: int = 1) -> None:
    """Note that a server went from one status to another."""
    journal.add(doc(A, state=running(number, status=after)), before)


def test_what_is_at_rest_or_went_wrong_is_told_at_once_and_a_start_when_it_has_ended() -> None:
    journal = Journal()
    note(journal, Status.PENDING, Status.CREATING)
    assert journal.wait_s(0, quiet=True) == UNSETTLED_S
    note(journal, Status.CREATING, Status.RUNNING)
    assert journal.wait_s(0, quiet=True) == QUIET_S
    assert journal.wait_s(0, quiet=False) == BUSY_S
    journal.clear(0)
    note(journal, Status.RUNNING, Status.MISSING)
    note(journal, Status.MISSING, Status.CREATING)
    assert journal.wait_s(1, quiet=True) == QUIET_S


def test_one_that_was_to_be_created_only_is_no_trouble_while_others_are_made() -> None:
    journal = Journal()
    note(journal, Status.PENDING, Status.CREATING)
    note(journal, Status.CREATING, Status.STOPPED, number=2)
    note(journal, Status.PENDING, Status.STOPPED, number=3)
    assert journal.wait_s(0, quiet=True) == UNSETTLED_S
    note(journal, Status.RUNNING, Status.STOPPED, number=4)
    assert journal.wait_s(0, quiet=True) == QUIET_S


def test_a_commit_is_due_from_when_there_was_something_to_tell_and_at_once_if_hosts_wait() -> None:
    journal = Journal()
    assert journal.due(10) is None
    note(journal, Status.RUNNING, Status.STOPPED)
    assert journal.due(10) == 10 + QUIET_S
    note(journal, Status.RUNNING, Status.STOPPED, number=2)
    assert journal.due(10.04) == 10 + QUIET_S
    journal.clear(10.05)
    assert journal.due(10.1) is None
    note(journal, Status.RUNNING, Status.STOPPED)
    assert journal.due(10.5) == 10.5 + BUSY_S  # another one, soon after the last
    journal.add(doc(A, state=running(1)), Status.STOPPED, urgent=True)
    assert journal.due(10.6) == 10.6


def test_a_flapping_server_does_not_flood_the_history_nor_hold_up_the_others() -> None:
    journal = Journal()
    for second in range(6):
        note(journal, Status.RUNNING, Status.STOPPED)
        assert journal.wait_s(second, quiet=True) == QUIET_S
        journal.clear(second)
    note(journal, Status.RUNNING, Status.STOPPED)
    assert journal.wait_s(6, quiet=True) == FLAPPING_S
    note(journal, Status.RUNNING, Status.STOPPED, number=2)
    assert journal.wait_s(6, quiet=True) == QUIET_S
    journal.clear(6)
    note(journal, Status.RUNNING, Status.STOPPED)
    assert journal.wait_s(70, quiet=True) == QUIET_S  # it has calmed down
    assert server_id(1) in journal


def test_who_asks_for_one_thing_after_the_other_does_not_wait_as_for_a_flapping_server() -> None:
    journal = Journal()
    for second in range(20):
        asked = running(1).model_copy(update={"commit": f"{second:07x}"})
        journal.add(doc(A, state=asked), Status.CREATING)
        assert journal.wait_s(second, quiet=True) == QUIET_S
        journal.clear(second)
    for second in range(20, 40):
        journal.add(doc(A, state=running(1)), Status.RUNNING, urgent=True)
        assert journal.wait_s(second, quiet=True) == QUIET_S
        journal.clear(second)
    for second in range(5):
        note(journal, Status.RUNNING, Status.STOPPED)
        journal.clear(40 + second)
    note(journal, Status.RUNNING, Status.STOPPED)
    assert journal.wait_s(46, quiet=True) == FLAPPING_S  # and this time nobody asked


def test_a_clock_that_leapt_is_trusted_again_after_a_while() -> None:
    clock, day = Clock(), 86400.0
    wall = NOW.timestamp()
    assert clock.leapt_s(wall, 100) == 0
    assert clock.leapt_s(wall + 50, 150) == 0
    assert clock.leapt_s(wall + 60 + day, 160) == day
    assert clock.leapt_s(wall + 160 + day, 260) == 0
    assert not clock.is_steady(159 + STEADY_S, day)
    assert clock.is_steady(160 + STEADY_S, day)
    assert clock.leapt_s(wall + 170, 270) == -day  # set back: that is a leap, too
    assert not clock.is_steady(269 + STEADY_S, day)
    assert clock.is_steady(270 + STEADY_S, day)


def test_a_clock_that_drifts_does_not_leap() -> None:
    clock, wall = Clock(), NOW.timestamp()
    assert not any(clock.leapt_s(wall + at * 1.01, at) for at in range(0, 86_400, 60))


def test_a_clock_that_was_just_begun_with_is_trusted_after_a_while_or_a_short_retention() -> None:
    clock = Clock()
    assert clock.leapt_s(NOW.timestamp(), 100) == 0
    assert not clock.is_steady(99 + STEADY_S, 86400)
    assert clock.is_steady(100 + STEADY_S, 86400)
    assert not clock.is_steady(102, 3)
    assert clock.is_steady(103, 3)
