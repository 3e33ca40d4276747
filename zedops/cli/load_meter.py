"""CPU and memory of servers, from every host that answers; for `stats` and `watch`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import ZedopsError
from zedops.protocol.requests import Sample, StatsReply, StatsRequest

_AT_ONCE = 16
#: Any thread may receive Ctrl-C: joins in short steps react to it while a host is slow.
_HEARS_S = 0.2


@dataclass(frozen=True)
class Busy:
    """The load of one server; `cpu` in cores, None until there are two samples."""

    sample: Sample
    cpu: float | None


class Meter:
    """Samples servers repeatedly, and compares each sample with the one before."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._before: dict[str, Sample] = {}
        #: Host → the error of the last read.
        self.silent: dict[str, str] = {}

    def measure(self, hosts: Iterable[str]) -> dict[str, Busy]:
        """Sample every server, by id. A host that does not answer is in `silent`."""
        self.silent = {}
        now = {each.server_id: each for each in self._ask_all(deque(hosts))}
        busy = {key: Busy(each, self._cpu(key, each)) for key, each in now.items()}
        self._before = now
        return busy

    def _ask_all(self, hosts: deque[str]) -> list[Sample]:
        """Ask several hosts at once, in daemon threads: an interrupt does not wait for them."""
        found: list[Sample] = []

        def work() -> None:
            with suppress(IndexError):
                while True:
                    found.extend(self._ask(hosts.popleft()))

        workers = [threading.Thread(target=work, daemon=True) for _ in range(_AT_ONCE)]
        for each in workers[: len(hosts)]:
            each.start()
        for each in workers:
            while each.is_alive():
                each.join(_HEARS_S)
        return found

    def _ask(self, host: str) -> tuple[Sample, ...]:
        try:
            return call(self._clone, host, StatsRequest(), StatsReply).samples
        except ZedopsError as error:
            self.silent[host] = str(error)
            return ()

    def _cpu(self, key: str, now: Sample) -> float | None:
        before = self._before.get(key)
        if before is None or now.at_ns <= before.at_ns or now.cpu_ns < before.cpu_ns:
            return None
        return (now.cpu_ns - before.cpu_ns) / (now.at_ns - before.at_ns)
