"""A question is asked once for all who wait, and nobody is told what was before they came."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from zedops_agent.coalesce import Joint

DEADLINE_S = 20.0
WAITERS = 8


class Slow:
    """Answers with a number, each time the next one, when it may."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked, self.fails = 0, fails
        self.is_asked, self.may_answer = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        self.is_asked.release()
        assert self.may_answer.acquire(timeout=DEADLINE_S)
        if self.fails:
            raise OSError(f"failure {answer}")
        return answer


def ask_while_asked(slow: Slow) -> tuple[Future[int], list[Future[int]]]:
    """Ask once, and while that is not answered eight times more; answer all of them."""
    joint, came = Joint(slow), threading.Barrier(WAITERS + 1)

    def wait() -> int:
        since = time.monotonic()
        came.wait(DEADLINE_S)
        return joint(since)

    with ThreadPoolExecutor(WAITERS + 1) as pool:
        first = pool.submit(joint)
        assert slow.is_asked.acquire(timeout=DEADLINE_S)
        waiters = [pool.submit(wait) for _ in range(WAITERS)]
        came.wait(DEADLINE_S)
        slow.may_answer.release(WAITERS + 1)
    return first, waiters


def test_who_came_while_it_was_asked_is_told_the_answer_to_the_next_question() -> None:
    slow = Slow()
    first, waiters = ask_while_asked(slow)
    assert first.result() == 1
    assert [each.result() for each in waiters] == [2] * WAITERS
    assert slow.asked == 2


def test_a_failure_is_told_to_all_who_waited_and_to_nobody_after_them() -> None:
    slow = Slow(fails=True)
    first, waiters = ask_while_asked(slow)
    assert [str(each.exception()) for each in (first, *waiters)] == [
        "failure 1", *["failure 2"] * WAITERS
    ]
    assert slow.asked == 2


def test_who_comes_after_a_failure_has_it_asked_anew() -> None:
    failures = [OSError("gone")]

    def ask() -> int:
        if failures:
            raise failures.pop()
        return 7

    joint = Joint(ask)
    with pytest.raises(OSError, match="gone"):
        joint()
    assert joint() == 7


def test_an_answer_does_for_who_wants_to_know_how_it_was_before() -> None:
    asked: list[float] = []

    def ask() -> int:
        asked.append(time.monotonic())
        return len(asked)

    joint, before = Joint(ask), time.monotonic()
    assert [joint(), joint(before), joint(before)] == [1, 1, 1]
    assert joint() == 2
