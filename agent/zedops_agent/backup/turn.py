"""One server at a time is backed up or restored on a host."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Turn:
    """One server at a time on this host; the others are woken when it is their turn."""

    def __init__(self, wake: Callable[[set[str]], None]) -> None:
        self._wake, self._lock = wake, threading.Lock()
        self._holder: tuple[str, str] | None = None
        self._waiting: set[str] = set()

    def take(self, server_id: str, work: str = "") -> bool:
        """Take the turn, if no other server and no other work has it."""
        with self._lock:
            if self._holder in (None, (server_id, work)):
                self._holder = server_id, work
                self._waiting.discard(server_id)
                return True
            self._waiting.add(server_id)
            return False

    def release(self, server_id: str, work: str = "") -> None:
        """Give the turn back, if this work on the server has it."""
        with self._lock:
            if not work:
                self._waiting.discard(server_id)
            if self._holder != (server_id, work):
                return
            self._holder, woken, self._waiting = None, self._waiting, set()
        self._wake(woken)
