"""One question for all who ask it at the same time.

Whoever comes while a question is asked waits for the next one, so nobody is told what was before
they came. A hundred who wait are told the same, also that it failed: one after the other they would
wait a hundred times as long for an Engine that hangs.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Joint(Generic[T]):
    """Asks for all who wait. Safe to use from several threads."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._begun, self._answer = -math.inf, Future[T]()

    def __call__(self, since: float | None = None) -> T:
        """Give an answer of `since` (monotonic; now) or later. Its errors are raised."""
        wanted = time.monotonic() if since is None else since
        with self._asking:
            if self._begun < wanted:
                begun, found = time.monotonic(), Future[T]()
                try:
                    found.set_result(self._ask())
                except Exception as error:  # noqa: BLE001 - raised where it was asked, below
                    found.set_exception(error)
                self._begun, self._answer = begun, found
            answer = self._answer
        return answer.result()
