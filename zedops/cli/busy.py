"""How busy servers are, asked of every host that answers; for `stats` and `watch`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from zedops.calls import Sample, StatsReply, StatsRequest
from zedops.cli.ask import call
from zedops.clone import Clone
from zedops.errors import ZedopsError

_AT_ONCE = 16
#: So soon Ctrl-C is heard while a host takes its time: any thread may have been given the signal.
_HEARS_S = 0.2


@dataclass(frozen=True)
class Busy:
    """How busy one server is; `cpu` in cores, None until there are two samples."""

    sample: Sample
    cpu: float | None


class Meter:
    """Asks again and again, and compares with the time before."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._before: dict[str, Sample] = {}
        #: Why a host could not be asked the last time.
        self.silent: dict[str, str] = {}

    def read(self, hosts: Iterable[str]) -> dict[str, Busy]:
        """Sample every server, by id. A host that does not answer is in `silent`."""
        self.silent = {}
        now = {each.server_id: each for each in self._ask_all(deque(hosts))}
        busy = {key: Busy(each, self._cpu(key, each)) for key, each in now.items()}
        self._before = now
        return busy

    def _ask_all(self, hosts: deque[str]) -> list[Sample]:
        """Ask several at once, in threads that whoever interrupts this does not wait for."""
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
