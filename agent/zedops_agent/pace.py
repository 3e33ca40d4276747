"""How much is asked of the Engine at once: as many starts as it takes without delay; looks first.

With more at once all are up a little sooner, but each one takes longer: on two cores 178 ms each
and the slowest 0.9 s with four at once, 159 ms and 3.6 s with sixteen. So the number grows while
starts are quick, and shrinks when one was slow. What a person waits for is bounded that way,
whatever the machine. Pulls, stops and touches of directories do not count.

Where many servers changed at once, what became of them is to be known, and told, before the first
of them is put right: while looks wait, starts let them go first, for a second at most.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zedops.errors import LookOutdated

#: Four at once delay each other by little on the smallest machine; with fewer, a host that is busy
#: with something else would only be later.
FEWEST, MOST = 4, 16
FIRST = max(FEWEST, min(2 * (os.cpu_count() or 1), 8))
#: One that took longer than `SLOW_S` was one too many at once; below `QUICK_S` there is room.
QUICK_S, SLOW_S = 0.75, 2.0
#: So many look at once: the Engine lets nobody inspect a container that it starts or ends, and
#: those must not hold up the others. Starts wait so long for looks.
LOOKS, PULLS = 32, 4
PATIENCE_S = 1.0


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
    """Lets so many in at once. Safe to use from several threads.

    A hundred may wait: whoever leaves wakes one of them, never all.
    """

    def __init__(self, limit: int = FIRST) -> None:
        lock = threading.Lock()
        self._place, self._calm = threading.Condition(lock), threading.Condition(lock)
        self._limit, self._quick, self._inside = limit, 0, 0
        self._looks, self._waiting = threading.BoundedSemaphore(LOOKS), 0
        self._pulls = threading.BoundedSemaphore(PULLS)
        self._ended = False

    def end(self) -> None:
        """Let nobody begin any more: whoever waits is told LookOutdated."""
        with self._place:
            self._ended = True
            self._place.notify_all()
            self._calm.notify_all()

    def check(self) -> None:
        """Raise LookOutdated once zedops ends."""
        if self._ended:
            raise LookOutdated("zedops is ending")

    @property
    def limit(self) -> int:
        """Say how many may be at work now."""
        return self._limit

    @contextmanager
    def look(self) -> Iterator[None]:
        """Wait until not too many look."""
        with self._place:
            self._waiting += 1
        try:
            self._looks.acquire()
        finally:
            with self._place:
                self._waiting -= 1
                if not self._waiting:
                    self._calm.notify_all()
        try:
            yield
        finally:
            self._looks.release()

    @contextmanager
    def pull(self) -> Iterator[None]:
        """Wait until not too many pull."""
        with self._pulls:
            self.check()
            yield

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place, and for looks, and learn from how long it was needed."""
        with self._place:
            self._place.wait_for(lambda: self._ended or self._inside < self._limit)
            self.check()
            self._inside += 1
            full = self._inside >= self._limit
        try:
            with self._calm:
                self._calm.wait_for(lambda: self._ended or not self._waiting, PATIENCE_S)
                self.check()
            begun = time.monotonic()
            try:
                yield
            finally:
                took_s = time.monotonic() - begun
                with self._place:
                    self._limit, self._quick = adapted(
                        self._limit, self._quick, took_s, full=full
                    )
        finally:
            with self._place:
                self._inside -= 1
                self._place.notify(max(1, self._limit - self._inside))
