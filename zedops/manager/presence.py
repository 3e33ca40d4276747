"""Which hosts are there: a host that said nothing for too long is lost. No clock of its own.

Times are of a monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

#: A host that said nothing for so long is lost: two heartbeats, and time for a third to be late.
SILENT_S = 22.0
#: A manager that did not look for so long was frozen itself, or overloaded: hosts may have spoken
#: meanwhile, and one in the same process was frozen with it.
FROZEN_S = 4.0


class Presence:
    """When hosts were last heard."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._awaited: dict[str, float] = {}
        self._lost: set[str] = set()
        self._looked: float | None = None

    def hear(self, host: str, now_s: float) -> None:
        """Take a sign of life."""
        self._heard[host] = now_s

    def welcome(self, host: str) -> None:
        """Take note that a host reports anew: what it says is true again."""
        self._lost.discard(host)

    def expel(self, host: str) -> None:
        """Take note that a host was put out: it is lost at once."""
        self._heard.pop(host, None)
        self._awaited[host] = float("-inf")

    def is_lost(self, host: str) -> bool:
        """Say whether nobody should wait for a host."""
        return host in self._lost

    def miss(self, hosts: Iterable[str], now_s: float) -> list[str]:
        """Name those of `hosts` that are lost since the last time this was asked.

        Time in which nobody asked counts for no host's silence.
        """
        before, self._looked = self._looked, now_s
        if before is not None and now_s - before > FROZEN_S:
            for times in (self._heard, self._awaited):
                times |= {host: min(at + now_s - before, now_s) for host, at in times.items()}
        missed = []
        for host in hosts:
            last = self._heard.get(host, self._awaited.setdefault(host, now_s))
            if now_s - last > SILENT_S and host not in self._lost:
                self._lost.add(host)
                missed.append(host)
        return missed

    def quiet_s(self, host: str, now_s: float) -> float | None:
        """Say how long ago a host was heard; None if it never was."""
        return now_s - self._heard[host] if host in self._heard else None
