"""Tracks which hosts answer: a host that is silent for too long is lost. No clock of its own.

Times are of a monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

#: A host is lost after this silence: two heartbeats, and time for a third to be late.
SILENT_S = 22.0
#: A manager that did not check for this long was frozen or overloaded. Hosts may have spoken
#: meanwhile, and a host in the same process was frozen, too.
FROZEN_S = 4.0


class Liveness:
    """Remembers when each host was last heard."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._awaited: dict[str, float] = {}
        self._lost: set[str] = set()
        self._looked: float | None = None

    def hear(self, host: str, now_s: float) -> None:
        """Take a sign of life."""
        self._heard[host] = now_s

    def welcome(self, host: str) -> None:
        """Note that a host syncs again: its reports are current."""
        self._lost.discard(host)

    def revoke(self, host: str) -> None:
        """Note that a host was removed: it is lost at once."""
        self._heard.pop(host, None)
        self._awaited[host] = float("-inf")

    def is_lost(self, host: str) -> bool:
        """Say whether a host is lost."""
        return host in self._lost

    def miss(self, hosts: Iterable[str], now_s: float) -> list[str]:
        """Name those of `hosts` that became lost since the last call.

        A long pause between two calls does not count as a host's silence.
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
        """Give the seconds since a host was heard; None if it never was."""
        return now_s - self._heard[host] if host in self._heard else None
