"""One-time links that let a person in, and the failed attempts that are counted against guesses.

Loaded by `zedops up` before anything of the page is, so it imports the standard library only.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass

#: A link works for so long, and once.
LINK_S = 600.0
#: So many failed logins within the time are answered; the rest have to wait.
FAILURES, WITHIN_S = 20, 60.0


@dataclass(frozen=True)
class Person:
    """A person as git names them; both empty if git does not know them."""

    name: str
    email: str

    @property
    def is_known(self) -> bool:
        """Say whether commits can name this person as their author."""
        return bool(self.name and self.email)


class Tickets:
    """The links that were made and not used yet."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Person, float]] = {}
        self._failed: deque[float] = deque()

    def link(self, name: str, email: str) -> str:
        """Make a link for a person."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            now = time.monotonic()
            self._open = {key: each for key, each in self._open.items() if each[1] > now}
            self._open[token] = (Person(name, email), now + LINK_S)
        return f"{self.url}/login/{token}"

    def use(self, token: str) -> Person | None:
        """Use a link up; None for one that is unknown, used or too old."""
        with self._lock:
            person, ends = self._open.pop(token, (None, 0.0))
            if person is not None and ends > time.monotonic():
                return person
            self._failed.append(time.monotonic())
            return None

    @property
    def is_limited(self) -> bool:
        """Say whether too many logins failed of late."""
        with self._lock:
            while self._failed and self._failed[0] < time.monotonic() - WITHIN_S:
                self._failed.popleft()
            return len(self._failed) >= FAILURES
