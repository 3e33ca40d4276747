"""How many starts there are at once follows from how long they take."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.errors import LookOutdated
from zedops_agent.limiter import (
    FEWEST,
    LOOKS,
    MOST,
    QUICK_S,
    SLOW_S,
    Limiter,
    adapted,
    best,
    gap_s,
    learned,
    paced,
    room,
)

TIMES = st.lists(st.tuples(st.floats(0, 100), st.booleans()))


@given(TIMES)
def test_it_stays_within_its_bounds_whatever_happens(times: list[tuple[float, bool]]) -> None:
    limit, quick = FEWEST, 0
    for took_s, full in times:
        limit, quick = adapted(limit, quick, took_s, full=full)
        assert FEWEST <= limit <= MOST
        assert 0 <= quick < limit


def test_quick_starts_make_room_slow_ones_take_it_and_a_quiet_host_learns_nothing() -> None:
    limit, quick = 4, 0
    for _ in range(4):
        limit, quick = adapted(limit, quick, QUICK_S / 2, full=True)
    assert (limit, quick) == (5, 0)
    assert adapted(limit, 3, SLOW_S + 1, full=True) == (4, 0)
    assert adapted(limit, 3, (QUICK_S + SLOW_S) / 2, full=True) == (limit, 3)
    assert adapted(limit, 3, 0.0, full=False) == (limit, 3)


@given(st.integers(1, MOST), TIMES)
def test_the_pace_of_restarts_stays_within_one_and_the_limit(
    limit: int, times: list[tuple[float, bool]]
) -> None:
    pace, near, shortest = limit, 0, 0.3
    for took_s, _ in times:
        shortest = best(shortest, took_s)
        pace, near = paced(pace, near, took_s, shortest, limit)
        assert 1 <= pace <= limit
        assert shortest <= took_s


def test_a_start_far_above_the_best_slows_restarts_and_several_near_it_quicken_them() -> None:
    assert paced(4, 3, 0.7, 0.3, 4) == (3, 0)
    assert paced(1, 0, 9.0, 0.3, 4) == (1, 0)
    pace, near = 2, 0
    for _ in range(4):
        pace, near = paced(pace, near, 0.4, 0.3, 4)
    assert (pace, near) == (3, 0)
    assert paced(4, 7, 0.3, 0.3, 4) == (4, 0)
    slower = 0.3
    for _ in range(200):
        slower = best(slower, 0.8)
    assert slower == pytest.approx(0.8, rel=0.01)  # a machine that became slower has a new best


def test_no_more_are_inside_than_may_be_and_a_failure_gives_its_place_back() -> None:
    pace, inside, most = Limiter(2), threading.Semaphore(0), 0
    leave, lock, count = threading.Event(), threading.Lock(), 0

    def work() -> None:
        nonlocal count, most
        try:
            with pace.turn():
                with lock:
                    count += 1
                    most = max(most, count)
                inside.release()
                leave.wait(30)
                with lock:
                    count -= 1
                raise OSError
        except OSError:
            pass

    threads = [threading.Thread(target=work) for _ in range(5)]
    for each in threads:
        each.start()
    assert inside.acquire(timeout=30)
    assert inside.acquire(timeout=30)
    leave.set()
    for each in threads:
        each.join(30)
    assert count == 0
    assert most <= pace.limit


def test_starts_let_looks_go_first_and_no_more_look_than_may() -> None:
    pace, order, lock = Limiter(2), list[str](), threading.Lock()
    inside, leave = threading.Semaphore(0), threading.Event()

    def look() -> None:
        with pace.look():
            inside.release()
            leave.wait(30)
            with lock:
                order.append("look")

    def start() -> None:
        with pace.turn(), lock:
            order.append("start")

    looks = [threading.Thread(target=look) for _ in range(LOOKS + 1)]
    for each in looks:
        each.start()
    for _ in range(LOOKS):
        assert inside.acquire(timeout=30)
    begin = threading.Thread(target=start)
    begin.start()
    leave.set()
    for each in [*looks, begin]:
        each.join(30)
    assert order.count("look") == LOOKS + 1
    assert "start" in order


def test_whoever_waits_at_the_end_does_not_begin() -> None:
    pace, inside, leave = Limiter(FEWEST), threading.Semaphore(0), threading.Event()
    outcomes = list[str]()

    def work() -> None:
        try:
            with pace.turn():
                inside.release()
                leave.wait(30)
                outcomes.append("done")
        except LookOutdated:
            outcomes.append("not begun")

    threads = [threading.Thread(target=work) for _ in range(FEWEST + 3)]
    for each in threads:
        each.start()
    for _ in range(FEWEST):
        assert inside.acquire(timeout=30)
    pace.end()
    leave.set()
    for each in threads:
        each.join(30)
    assert sorted(outcomes) == ["done"] * FEWEST + ["not begun"] * 3
    with pytest.raises(LookOutdated), pace.pull():
        pass


def test_as_many_stops_begin_as_there_is_room_for_starts() -> None:
    assert gap_s(0.4, 4) == pytest.approx(0.1)
    start_s = 0.3
    for _ in range(50):
        start_s = learned(start_s, 2.0)
    assert start_s == pytest.approx(2.0, rel=0.01)


def test_what_is_down_starts_before_what_is_new_and_before_one_more_is_stopped() -> None:
    pace, order, lock = Limiter(1), list[str](), threading.Lock()
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with pace.turn():
            inside.set()
            leave.wait(30)

    def note(what: str) -> None:
        with lock:
            order.append(what)

    def begin_new() -> None:
        with pace.turn():
            note("new")

    def begin_again() -> None:
        with pace.turn(is_down=True):
            note("again")

    def stop_one() -> None:
        with pace.away():
            note("stop")

    threads = [threading.Thread(target=each) for each in (hold, begin_new, begin_again)]
    threads[0].start()
    assert inside.wait(30)
    for each in threads[1:]:
        each.start()
    deadline = threading.Event()
    while pace.down == 0:  # it waits for the place, as the new one does
        assert not deadline.wait(0.01)
    threads.append(threading.Thread(target=stop_one))
    threads[-1].start()
    leave.set()
    for each in threads:
        each.join(30)
    assert order[0] == "again"
    assert sorted(order[1:]) == ["new", "stop"]


def test_no_more_are_down_than_start_at_once_until_none_has_to_wait() -> None:
    pace, away, leave = Limiter(2), threading.Semaphore(0), threading.Event()
    third = threading.Event()

    def swap() -> None:
        with pace.away():
            away.release()
            leave.wait(30)

    def swap_too() -> None:
        with pace.away():
            third.set()

    threads = [threading.Thread(target=each) for each in (swap, swap)]
    for each in threads:
        each.start()
    for _ in threads:
        assert away.acquire(timeout=30)
    threads.append(threading.Thread(target=swap_too))
    threads[-1].start()
    assert not third.is_set()
    leave.set()
    assert third.wait(30)
    for each in threads:
        each.join(30)
    assert room(2, 2, waited_s=0.1, took_s=0.3) == 3
    assert room(40, 4, waited_s=0.5, took_s=0.3) == 30
    assert room(4, 4, waited_s=0.5, took_s=0.3) == 4


def test_who_waits_to_stop_a_server_at_the_end_does_not() -> None:
    pace, outcomes = Limiter(1), list[str]()

    def swap() -> None:
        try:
            with pace.away():
                outcomes.append("stopped")
        except LookOutdated:
            outcomes.append("left alone")

    pace.end()
    threads = [threading.Thread(target=swap) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert outcomes == ["left alone"] * 3
