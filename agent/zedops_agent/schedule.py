"""Which servers are worth a look, and when: owns the waiting and the workers, holds no rules.

Marking is all that anybody can do. A server is in one hand at a time, and a bounded number are
worked on at once; one slow pull delays nobody else; one that is marked while it is in
somebody's hand is looked at again afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

#: Far more than may ask the Engine at once (`pace`): what waits for that keeps nobody from looking.
#: With 128 the last of 200 that died at once were looked at after 8 s. An idle thread is 16 KB.
WORKERS = 256


class Schedule:
    """Hands marked servers to workers.

    `work` is told which and when it was marked (monotonic), and returns after how many seconds to
    look again.
    """

    def __init__(self, work: Callable[[str, float], float | None]) -> None:
        self._work = work
        self._wake = threading.Condition()
        self._marked: dict[str, float] = {}
        self._busy: set[str] = set()
        #: When to look at a server; for those in somebody's hand, once they are put down.
        self._alarms: dict[str, float] = {}
        self._after: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="server")
        self.stopping = False

    def mark(self, ids: set[str]) -> None:
        """Have some servers looked at as soon as a worker is free."""
        with self._wake:
            self._marked |= dict.fromkeys(ids, time.monotonic())
            self._wake.notify_all()

    def mark_idle(self, ids: set[str]) -> None:
        """Have those looked at that are in nobody's hand; who has one looks until it rests."""
        with self._wake:
            self.mark(ids - self._busy)

    def mark_later(self, server_id: str, delay_s: float) -> None:
        """Have a server looked at then, unless that is to be sooner anyway."""
        with self._wake:
            at = time.monotonic() + delay_s
            # the look that is to come of one in somebody's hand may answer it
            alarms = self._after if server_id in self._busy else self._alarms
            alarms[server_id] = min(at, alarms.get(server_id, at))
            self._wake.notify_all()

    def cover(self, server_id: str) -> None:
        """Begin a look at a server: it will see what the server was to be looked at for by now.

        Most events tell of what the agent has just done itself, and looked at afterwards.
        """
        with self._wake:
            if self._after.get(server_id, math.inf) <= time.monotonic():
                del self._after[server_id]

    def run(self) -> None:
        """Give marked servers to free workers until `stop`."""
        while True:
            with self._wake:
                if self.stopping:
                    return
                now = time.monotonic()
                for each in [key for key, at in self._alarms.items() if at <= now]:
                    self._marked[each] = now
                    del self._alarms[each]
                ready = self._marked.keys() - self._busy
                if not ready:
                    nearest = min(self._alarms.values(), default=None)
                    self._wake.wait(None if nearest is None else max(0.0, nearest - now))
                    continue
                self._busy |= ready
                for each in ready:  # not outside the lock: the pool may be shut down there
                    if each in self._alarms:
                        self._after[each] = self._alarms.pop(each)
                    self._pool.submit(self._hand_out, each, self._marked.pop(each))

    def _hand_out(self, server_id: str, since: float) -> None:
        again_s: float | None = None
        try:
            again_s = self._work(server_id, since)
        finally:
            with self._wake:
                self._busy.discard(server_id)
                if server_id in self._after:
                    self._alarms[server_id] = self._after.pop(server_id)
                if server_id in self._marked:  # what it has done itself is to be seen, too
                    self._marked[server_id] = time.monotonic()
                if again_s is not None:
                    self.mark_later(server_id, again_s)
                self._wake.notify_all()

    @property
    def at_work(self) -> int:
        """Count the servers that are marked or in somebody's hand."""
        with self._wake:
            return len(self._marked.keys() | self._busy)

    def pause(self, seconds: float) -> None:
        """Wait so long, or until `stop`."""
        deadline = time.monotonic() + seconds
        with self._wake:
            while not self.stopping and (left := deadline - time.monotonic()) > 0:
                self._wake.wait(left)

    def stop(self) -> None:
        """Hand nothing more out, and end every pause."""
        with self._wake:
            self.stopping = True
            self._wake.notify_all()

    def wait(self) -> None:
        """Wait until every worker has put down what it had in hand."""
        self._pool.shutdown(wait=True, cancel_futures=True)
