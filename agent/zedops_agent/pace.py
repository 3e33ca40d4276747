"""How many containers are made and started at once: as many as the Engine takes without delay.

With more at once all are up a little sooner, but each one takes longer: on two cores 178 ms each
and the slowest 0.9 s with four at once, 159 ms and 3.6 s with sixteen. So the number grows while
starts are quick, and shrinks when one was slow. What a person waits for is bounded that way,
whatever the machine. Looks, pulls, stops and touches of directories do not count.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FEWEST, MOST = 2, 16
FIRST = max(FEWEST, min(2 * (os.cpu_count() or 1), 8))
#: One that took longer than `SLOW_S` was one too many at once; below `QUICK_S` there is room.
QUICK_S, SLOW_S = 0.75, 2.0


def adapted(limit: int, quick: int, took_s: float, *, full: bool) -> tuple[int, int]:
    """Say how many may be at work after one took so long, and how many were quick since a change.

    `full`: as many were at work as may be. Else nothing is learned of what more would cost.
    """
    if took_s > SLOW_S:
        return max(FEWEST, limit - 1), 0
    if took_s > QUICK_S or not full:
        return limit, quick
    if quick + 1 >= limit:
        return min(MOST, limit + 1), 0
    return limit, quick + 1


class Pace:
    """Lets so many in at once. Safe to use from several threads."""

    def __init__(self, limit: int = FIRST) -> None:
        self._changed = threading.Condition()
        self._limit, self._quick, self._inside = limit, 0, 0

    @property
    def limit(self) -> int:
        """Say how many may be at work now."""
        return self._limit

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place, and learn from how long it was needed."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside < self._limit)
            self._inside += 1
            full = self._inside >= self._limit
        begun = time.monotonic()
        try:
            yield
        finally:
            took_s = time.monotonic() - begun
            with self._changed:
                self._limit, self._quick = adapted(self._limit, self._quick, took_s, full=full)
                self._inside -= 1
                self._changed.notify_all()
