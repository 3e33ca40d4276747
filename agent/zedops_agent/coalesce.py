"""Shares one call among all callers that ask at the same time.

A caller that arrives during a call waits for the next one, so no result is older than its request.
A hundred waiting callers get the same result, or the same error: one after the other they would
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
    """Makes one call for all waiting callers. Safe to use from several threads."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._begun, self._answer = -math.inf, Future[T]()

    def __call__(self, since: float | None = None) -> T:
        """Return a result of `since` (monotonic; default now) or later. Raises its errors."""
        wanted = time.monotonic() if since is None else since
        with self._asking:
            if self._begun < wanted:
                begun, found = time.monotonic(), Future[T]()
                try:
                    found.set_result(self._ask())
                except Exception as error:  # noqa: BLE001 - raised below, for each caller
                    found.set_exception(error)
                self._begun, self._answer = begun, found
            answer = self._answer
        return answer.result()
