"""Limits concurrent calls to the Engine: as many starts as it does without delay; looks go first.

With more at once all servers are up a little sooner, but each start takes longer. On two cores:
178 ms each and the slowest 0.9 s with four at once, 159 ms and 3.6 s with sixteen. So the limit
grows while starts are quick, and shrinks after a slow one. That bounds a person's wait for one
server on every machine. Pulls, stops and touches of directories do not count.

A restarted server is down between its stop and its start. So where hundreds change at once, stops
begin no faster than the Engine starts servers, and with so few starts at once that each takes at
most about twice its best time. More may be down while none has to wait for its start: some save for
a minute. Stopped servers start before the agent makes new containers. So each is down for little
more than its own stop and start.

Where many servers changed at once, the agent reports all of them before it repairs the first one:
while looks wait, starts let them go first, for a second at most.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zedops.errors import LookOutdated

#: Four at once delay each other by little on the smallest machine; fewer would only slow down a
#: host that is busy with other work.
FEWEST, MOST = 4, 16
FIRST = max(FEWEST, min(2 * (os.cpu_count() or 1), 8))
#: A start that took longer than `SLOW_S` was one too many at once; below `QUICK_S` there is room.
QUICK_S, SLOW_S = 0.75, 2.0
#: The limit of looks at once: the Engine delays the inspection of a container that it starts or
#: ends, and those looks must not hold up the others. Starts wait so long for looks.
LOOKS, PULLS = 32, 4
#: The assumed duration of the first start, and the weight of each start for the next estimate.
START_S, _WEIGHT = 0.3, 0.2
#: What counts as near the best start, and how fast the best one is forgotten.
_NEAR, _FADES = 2.0, 1.005
#: Far more than the servers that save their worlds at once; see `work_queue.WORKERS`.
MOST_DOWN = 256
PATIENCE_S = 1.0


def adapted(limit: int, quick: int, took_s: float, *, full: bool) -> tuple[int, int]:
    """Compute the limit after one start of `took_s`, and the count of quick ones since a change.

    `full`: the limit was in use. Else the start says nothing about the cost of a higher limit.
    """
    if took_s > SLOW_S:
        return max(FEWEST, limit - 1), 0
    if took_s > QUICK_S or not full:
        return limit, quick
    if quick + 1 >= limit:
        return min(MOST, limit + 1), 0
    return limit, quick + 1


def gap_s(start_s: float, pace: int) -> float:
    """Compute the time between the beginnings of two stops: the Engine's time for one start."""
    return start_s / pace


def paced(pace: int, quick: int, took_s: float, best_s: float, limit: int) -> tuple[int, int]:
    """Compute how many stopped servers may start at once, after one start, and the quick ones.

    A start far above the best one says that others were in its way, or in the way of its stop.
    """
    if took_s > _NEAR * best_s:
        return max(1, pace - 1), 0
    if quick + 1 >= 2 * pace:
        return min(limit, pace + 1), 0
    return min(limit, pace), quick + 1


def best(best_s: float, took_s: float) -> float:
    """Compute the best time of a start: the shortest, but a machine may become slower."""
    return min(best_s * _FADES, took_s)


def learned(start_s: float, took_s: float) -> float:
    """Estimate the duration of a start, after one more of `took_s`."""
    return start_s + _WEIGHT * (took_s - start_s)


def room(most_down: int, limit: int, waited_s: float, took_s: float) -> int:
    """Compute how many may be down at once, after one waited `waited_s` for a start of `took_s`.

    One more after a start without a wait, a quarter less after one that waited for another.
    """
    if waited_s > took_s:
        return max(limit, most_down - most_down // 4)
    return min(MOST_DOWN, most_down + 1)


class Limiter:
    """Lets a limited number of threads in at once. Safe to use from several threads.

    A hundred may wait: a thread that leaves wakes one of them, never all.
    """

    def __init__(self, limit: int = FIRST) -> None:
        lock = threading.Lock()
        self._place, self._calm = threading.Condition(lock), threading.Condition(lock)
        #: Servers that are down, and threads that wait to stop one more; only the first one wakes.
        self._first, self._stops = threading.Condition(lock), threading.Condition(lock)
        self._down, self._line = 0, threading.Lock()
        self._away, self._most_down = 0, limit
        self._start_s, self._best_s, self._next_stop = START_S, START_S, 0.0
        self._pace, self._near = limit, 0
        self._limit, self._quick, self._inside = limit, 0, 0
        self._looks, self._waiting = threading.BoundedSemaphore(LOOKS), 0
        self._pulls = threading.BoundedSemaphore(PULLS)
        self._ended = False

    def end(self) -> None:
        """Admit no thread any more; a thread that waits gets LookOutdated."""
        with self._place:
            self._ended = True
            for each in (self._place, self._calm, self._first, self._stops):
                each.notify_all()

    def check(self) -> None:
        """Raise LookOutdated once zedops ends."""
        if self._ended:
            raise LookOutdated("zedops is ending")

    @property
    def down(self) -> int:
        """Count the stopped servers that wait for their start."""
        return self._down

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
    def away(self) -> Iterator[None]:
        """Wait until the Engine can start a server as soon as the stop inside has ended."""
        with self._line, self._stops:
            while not self._ended:
                left_s = self._next_stop - time.monotonic()
                is_full = self._down > 0 or self._away >= self._most_down
                if not is_full and left_s <= 0:
                    break
                self._stops.wait(None if is_full else left_s)
            self.check()
            self._next_stop = time.monotonic() + gap_s(self._start_s, self._pace)
            self._away += 1
        try:
            yield
        finally:
            with self._stops:
                self._away -= 1
                self._stops.notify()

    @contextmanager
    def turn(self, *, is_down: bool = False) -> Iterator[None]:
        """Wait for a place, and for looks; learn from the time that the work inside takes.

        A server that `is_down`, because zedops stopped it for this start, goes before all others.
        """
        asked = time.monotonic()
        with self._place:
            self._enter(is_down=is_down)
            full = self._inside >= self._limit
        try:
            if not is_down:
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
                    if is_down:
                        self._start_s = learned(self._start_s, took_s)
                        self._best_s = best(self._best_s, took_s)
                        self._pace, self._near = paced(
                            self._pace, self._near, took_s, self._best_s, self._limit
                        )
                        self._most_down = room(
                            self._most_down, self._limit, begun - asked, took_s
                        )
        finally:
            with self._place:
                self._inside -= 1
                self._wake()

    def _enter(self, *, is_down: bool) -> None:
        if is_down:
            self._down += 1
            self._first.wait_for(lambda: self._ended or self._inside < self._limit)
            self._down -= 1
        else:
            self._place.wait_for(
                lambda: self._ended or (self._inside < self._limit and not self._down)
            )
        self.check()
        self._inside += 1
        if is_down:
            self._wake()

    def _wake(self) -> None:
        """Wake a thread for each free place, those of servers that are down first."""
        free = max(1, self._limit - self._inside)
        self._first.notify(min(free, self._down))
        if free > self._down:
            self._place.notify(free - self._down)
        if not self._down:
            self._stops.notify()
