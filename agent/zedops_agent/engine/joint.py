"""One question for all who ask it at the same time.

Whoever comes while a question is asked waits for the next one, so nobody is told what was before
they came; a hundred who wait are told the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Joint(Generic[T]):
    """Asks for all who wait. Safe to use from several threads."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._answered: tuple[float, T] | None = None

    def __call__(self) -> T:
        """Return an answer to a question that was asked after this call; errors as they come."""
        came = time.monotonic()
        with self._asking:
            if self._answered is None or self._answered[0] <= came:
                begun = time.monotonic()
                self._answered = begun, self._ask()
            return self._answered[1]
