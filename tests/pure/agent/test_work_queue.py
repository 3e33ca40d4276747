"""What is looked at, and how often: nothing is missed, nothing that was seen is seen again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import pytest

from zedops_agent.work_queue import Schedule

DEADLINE_S = 20.0


@contextmanager
def running(work: Callable[[Schedule, str], None]) -> Iterator[tuple[Schedule, SimpleQueue[str]]]:
    """Run a schedule; gives it, and whom it had in hand."""
    done: SimpleQueue[str] = SimpleQueue()

    def settle(server_id: str, _since: float) -> None:
        work(schedule, server_id)
        done.put(server_id)

    schedule = Schedule(settle)
    thread = threading.Thread(target=schedule.run)
    thread.start()
    try:
        yield schedule, done
    finally:
        schedule.stop_workers()
        thread.join()
        schedule.wait()


@pytest.mark.parametrize(("before_the_look", "looks"), [(True, 1), (False, 2)])
def test_an_event_before_a_look_is_answered_by_it_and_one_after_it_is_not(
    before_the_look: bool, looks: int
) -> None:
    told: list[str] = []

    def work(schedule: Schedule, server_id: str) -> None:
        told.append(server_id)
        if before_the_look and len(told) == 1:
            schedule.mark_later("rosewood", 0.0)
        schedule.cover(server_id)
        if not before_the_look and len(told) == 1:
            schedule.mark_later("rosewood", 0.0)

    with running(work) as (schedule, done):
        schedule.mark({"rosewood"})
        assert [done.get(timeout=DEADLINE_S) for _ in range(looks)] == ["rosewood"] * looks
        schedule.mark({"muldraugh"})  # whatever was due before it has been handed out by now
        assert done.get(timeout=DEADLINE_S) == "muldraugh"
    assert told.count("rosewood") == looks


def test_who_is_in_somebodys_hand_is_not_marked_with_those_that_are_idle() -> None:
    def work(schedule: Schedule, server_id: str) -> None:
        schedule.mark_idle({"rosewood", "muldraugh"} if server_id == "rosewood" else set())

    with running(work) as (schedule, done):
        schedule.mark({"rosewood"})
        # rosewood is put down after muldraugh was marked: either may be done with first
        both = sorted(done.get(timeout=DEADLINE_S) for _ in range(2))
        assert both == ["muldraugh", "rosewood"]
        schedule.mark({"westpoint"})
        assert done.get(timeout=DEADLINE_S) == "westpoint"
        assert done.empty()


def test_an_end_that_is_looked_at_after_a_while_is_not_answered_by_a_look_before() -> None:
    told: list[str] = []

    def work(schedule: Schedule, server_id: str) -> None:
        told.append(server_id)
        if len(told) == 1:
            schedule.mark_later("rosewood", 2.0)  # by then this look has surely begun
        schedule.cover(server_id)

    with running(work) as (schedule, done):
        schedule.mark({"rosewood"})
        assert [done.get(timeout=DEADLINE_S) for _ in range(2)] == ["rosewood"] * 2


def test_a_new_document_is_never_answered_by_a_look_for_the_old_one() -> None:
    told: list[str] = []

    def work(schedule: Schedule, server_id: str) -> None:
        told.append(server_id)
        if len(told) == 1:
            schedule.mark({"rosewood"})
        schedule.cover(server_id)

    with running(work) as (schedule, done):
        schedule.mark({"rosewood"})
        assert [done.get(timeout=DEADLINE_S) for _ in range(2)] == ["rosewood"] * 2


def test_one_that_was_marked_while_it_was_in_hand_is_looked_at_as_it_is_after_that() -> None:
    ended: list[float] = []
    since: list[float] = []

    def settle(server_id: str, marked_at: float) -> None:
        since.append(marked_at)
        if len(since) == 1:
            schedule.mark({server_id})
        ended.append(time.monotonic())
        done.put(server_id)

    done: SimpleQueue[str] = SimpleQueue()
    schedule = Schedule(settle)
    thread = threading.Thread(target=schedule.run)
    thread.start()
    try:
        schedule.mark({"rosewood"})
        assert [done.get(timeout=DEADLINE_S) for _ in range(2)] == ["rosewood"] * 2
    finally:
        schedule.stop_workers()
        thread.join()
        schedule.wait()
    assert since[1] >= ended[0]
