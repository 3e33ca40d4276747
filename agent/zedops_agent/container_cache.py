"""Knows which server each container belongs to, and asks the Engine for few lists.

For each list the Engine goes through all containers: one server's list takes 20 ms beside 1,300,
and a thousand servers may change at once. A caller wants the state at some moment or later. It gets
a list of all servers that began since then, with the events that came after it. Without such a
list, one list serves all callers that wait; a single caller lists its server alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from zedops_agent.coalesce import Joint


@dataclass
class _Roll:
    """The containers of each server: from one list of all, and from events since it began."""

    begun: float = -math.inf
    ids: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, server_id: str, containers: Iterable[str]) -> None:
        self.ids.setdefault(server_id, {}).update(dict.fromkeys(containers))

    def of(self, server_id: str) -> list[str]:
        return list(self.ids.get(server_id, ()))


class Listing:
    """Knows containers by server. Safe to use from several threads.

    `one` lists a server's containers, `everyone` those of all servers; callers get their errors.
    """

    def __init__(
        self, one: Callable[[str], list[str]], everyone: Callable[[], Mapping[str, list[str]]]
    ) -> None:
        self._one, self._everyone = one, everyone
        self._lock, self._renewed = threading.Lock(), Joint(self._renew)
        self._roll, self._coming = _Roll(), _Roll()
        self._inside = 0
        #: Containers that this agent made, without an event of the Engine yet.
        self._made: set[str] = set()

    def of(self, server_id: str, since: float) -> list[str]:
        """List a server's containers as they were at `since` (monotonic) or later."""
        with self._lock:
            if self._roll.begun >= since:
                return self._roll.of(server_id)
            self._inside += 1
            alone = self._inside == 1
        try:
            return self._one(server_id) if alone else self._of_all(server_id, since)
        finally:
            with self._lock:
                self._inside -= 1

    def _of_all(self, server_id: str, since: float) -> list[str]:
        self._renewed(since)
        return self.known(server_id)

    def _renew(self) -> None:
        with self._lock:
            self._coming = _Roll(time.monotonic())
        found = self._everyone()
        with self._lock:
            for each, containers in found.items():
                self._coming.add(each, containers)
            self._roll = self._coming

    def known(self, server_id: str) -> list[str]:
        """Name a server's containers by the newest list of all servers and the events since."""
        with self._lock:
            return self._roll.of(server_id)

    def made(self, server_id: str, container: str) -> None:
        """Record a container that this agent has just made and will look at."""
        self._made.add(container)
        self.tell(server_id, container)

    def hear(self, server_id: str, container: str, *, new: bool, gone: bool) -> bool:
        """Record an event of the Engine about a container; return whether it may be news.

        The creation of a container is no news to the agent that made it: it looks at it anyway.
        A busy Engine sends this event late, and the agent would look at each new server twice.
        """
        self.tell(server_id, container, gone=gone)
        known = container in self._made
        if new or gone:
            self._made.discard(container)
        return not (new and known)

    def tell(self, server_id: str, container: str, *, gone: bool = False) -> None:
        """Record that a container belongs to a server, or that it is gone for good."""
        with self._lock:
            for roll in (self._roll, self._coming):
                if gone:
                    roll.ids.get(server_id, {}).pop(container, None)
                else:
                    roll.add(server_id, [container])
