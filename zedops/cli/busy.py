"""How busy servers are, asked of every host that answers; for `stats` and `watch`."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from zedops.calls import Sample, StatsReply, StatsRequest
from zedops.cli.ask import call
from zedops.clone import Clone
from zedops.errors import ZedopsError

_AT_ONCE = 16


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
        wanted = list(hosts)
        self.silent = {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [each for samples in pool.map(self._ask, wanted) for each in samples]
        now = {each.server_id: each for each in found}
        busy = {key: Busy(each, self._cpu(key, each)) for key, each in now.items()}
        self._before = now
        return busy

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
