"""Remembers killed processes, to report each kill once its server runs again. Pure.

A container shows its end only while it stands still. The Engine's restart policy, or the end of an
Engine, may start it again before the agent looks. The Engine's events carry the exit code.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from zedops_agent.observed import Observed
from zedops_agent.stops import SIGKILLED

_NS = 10**9


class Kills:
    """Kills from the Engine's events, by server. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._killed: dict[str, tuple[str, datetime]] = {}
        self._starved: set[str] = set()

    def hear(self, server: str, container: str, action: str, code: str, at_ns: int) -> None:
        """Record an event: an end by SIGKILL, or that memory ran out before it."""
        with self._lock:
            if action == "oom":
                self._starved.add(container)
            elif action == "die" and code == str(SIGKILLED):
                self._killed[server] = container, datetime.fromtimestamp(at_ns / _NS, UTC)

    def told(self, server: str, seen: Observed, *, by_zedops: str | None) -> str | None:
        """Report once the kill of a server that is up again, without kills by zedops' own stop."""
        with self._lock:
            container, at = self._killed.get(server, ("", None))
            again = next((
                each for each in seen.containers
                if at and each.id == container and each.running
                and each.started_at and each.started_at > at
            ), None)
            if at is None or (again is None and by_zedops != container):
                return None
            del self._killed[server]
            starved = container in self._starved
            self._starved.discard(container)
        if by_zedops == container:
            return None
        cause = "the kernel killed it, out of memory" if starved else "it was killed"
        return f"{cause} (exit code {SIGKILLED}): it may have lost progress; it runs again"
