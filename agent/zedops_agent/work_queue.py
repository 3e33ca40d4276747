"""Schedules looks at servers: owns the waiting and the workers, holds no rules.

Other threads can only mark a server. One worker at a time has a server, and the number of workers
is bounded; one slow pull delays no other server. After a mark on a busy server, a worker looks at
it again.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

#: Far more than may ask the Engine at once (`limiter`): enough are left for looks while others
#: wait. With 128 workers, the look at the last of 200 that died at once came after 8 s. An idle
#: thread takes 16 KB.
WORKERS = 256


class Schedule:
    """Hands marked servers to workers.

    `work` gets the server's id and the time of its mark (monotonic). It returns the seconds until
    the next look.
    """

    def __init__(self, work: Callable[[str, float], float | None]) -> None:
        self._work = work
        self._wake = threading.Condition()
        self._marked: dict[str, float] = {}
        self._busy: set[str] = set()
        #: The time of the next look at each server; a busy one waits until its worker is done.
        self._alarms: dict[str, float] = {}
        self._after: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="server")
        self.stopping = False

    def mark(self, ids: set[str]) -> None:
        """Mark servers for a look as soon as a worker is free."""
        with self._wake:
            self._marked |= dict.fromkeys(ids, time.monotonic())
            self._wake.notify_all()

    def mark_idle(self, ids: set[str]) -> None:
        """Mark servers that no worker has; a worker looks at its server until that rests."""
        with self._wake:
            self.mark(ids - self._busy)

    def mark_later(self, server_id: str, delay_s: float) -> None:
        """Mark a server for a look after `delay_s`; an earlier time that is set already stays."""
        with self._wake:
            at = time.monotonic() + delay_s
            # the next look of the worker that has this server may answer it
            alarms = self._after if server_id in self._busy else self._alarms
            alarms[server_id] = min(at, alarms.get(server_id, at))
            self._wake.notify_all()

    def cover(self, server_id: str) -> None:
        """Begin a look at a server; this look answers all its marks so far.

        Most events tell of the agent's own acts, and the agent has looked after each of them.
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
                for each in ready:  # not outside the lock: `stop` may shut the pool down there
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
                if server_id in self._marked:  # the next look must see this worker's acts, too
                    self._marked[server_id] = time.monotonic()
                if again_s is not None:
                    self.mark_later(server_id, again_s)
                self._wake.notify_all()

    @property
    def at_work(self) -> int:
        """Count the servers that are marked or in a worker's hand."""
        with self._wake:
            return len(self._marked.keys() | self._busy)

    def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until `stop`."""
        deadline = time.monotonic() + seconds
        with self._wake:
            while not self.stopping and (left := deadline - time.monotonic()) > 0:
                self._wake.wait(left)

    def stop_workers(self) -> None:
        """Give workers no more servers, and end every pause."""
        with self._wake:
            self.stopping = True
            self._wake.notify_all()

    def wait(self) -> None:
        """Wait until every worker has finished its server."""
        self._pool.shutdown(wait=True, cancel_futures=True)
