"""Bounds checks made while people type: one of each person at a time, few of all people.

So typing never slows a push.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Checks of all people at once, and those of one person that run or wait.
_AT_ONCE, _OF_ONE = 2, 4


class TooMany(Exception):
    """A person's checks arrive faster than they are answered."""


class Turns:
    """Lets few checks run at once: one of each person, in turn."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._here: Counter[str] = Counter()
        self._all = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def take(self, person: str) -> AsyncIterator[None]:
        """Wait for a turn. TooMany if others of this person wait already."""
        if self._here[person] >= _OF_ONE:
            raise TooMany
        self._here[person] += 1
        try:
            async with self._locks.setdefault(person, asyncio.Lock()), self._all:
                yield
        finally:
            self._here[person] -= 1
            if not self._here[person]:
                del self._here[person], self._locks[person]
