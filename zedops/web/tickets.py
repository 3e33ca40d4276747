"""One-time links that let a person in.

Loaded by `zedops up` before anything of the page is, so it imports the standard library only.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

#: A link works for so long, and once.
LINK_S = 600.0
_LONGEST = 300


def clean(text: str) -> str:
    """Keep what git can write as `Name <address>` on one line."""
    kept = "".join(each if each.isprintable() else " " for each in text if each not in "<>")
    return " ".join(kept.split())[:_LONGEST]


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

    def __init__(self, local: str, said: str | None = None) -> None:
        self._local, self._said = local.rstrip("/"), (said or "").rstrip("/")
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Person, float]] = {}

    @property
    def url(self) -> str:
        """Give the page's URL as the command line knows it."""
        return self._said or self._local

    def base(self, url: str | None) -> str:
        """Give the page's URL; `url` is the one of the fleet's settings."""
        return self._said or url or self._local

    def link(self, name: str, email: str, url: str | None = None) -> str:
        """Make a link for a person; `url` is the page's by the fleet's settings."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            now = time.monotonic()
            self._open = {key: each for key, each in self._open.items() if each[1] > now}
            self._open[token] = (Person(name, email), now + LINK_S)
        return f"{self.base(url)}/login/{token}"

    def use(self, token: str) -> Person | None:
        """Use a link up; None for one that is unknown, used or too old."""
        with self._lock:
            person, ends = self._open.pop(token, (None, 0.0))
            if person is not None and ends > time.monotonic():
                return person
            return None
