"""Limits logins in rate: too many that fail from one address have to wait, and others do not."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

#: So many failed logins from one address within the time are answered. A person needs a few; a
#: key or link cannot be guessed at any rate, so this bounds the log and the work.
FAILURES, WITHIN_S = 20, 60.0
#: Addresses that are remembered; one attacker with more of them forgets the oldest.
_ADDRESSES = 10_000


class Guesses:
    """The logins that failed of late, by address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, source: str) -> None:
        """Note a failure."""
        with self._lock:
            self._failed.setdefault(source, deque(maxlen=FAILURES)).append(time.monotonic())
            self._failed.move_to_end(source)
            if len(self._failed) > _ADDRESSES:
                self._failed.popitem(last=False)

    def are_too_many(self, source: str) -> bool:
        """Say whether an address has to wait."""
        with self._lock:
            failed = self._failed.get(source, deque[float]())
            return len(failed) == FAILURES and failed[0] > time.monotonic() - WITHIN_S
