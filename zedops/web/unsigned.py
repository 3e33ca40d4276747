"""Commits that wait for the signature of the person who asked for them. In memory, for minutes."""

from __future__ import annotations

import secrets
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from zedops.clone.verbs import Act
from zedops.errors import ZedopsError
from zedops.fleet.ssh_signature import to_sign
from zedops.web.webauthn import NotProven

#: A person signs within this time; as many commits may wait, of all people.
_OPEN_S, _MOST = 600.0, 200


@dataclass(frozen=True)
class Pending:
    """A commit that waits for its signature."""

    mark: str
    session: str
    act: Act
    raw: bytes
    ends: float
    #: Lines for the person once it is pushed; one may be a secret.
    told: tuple[str, ...] = field(default=(), repr=False)

    @property
    def challenge(self) -> str:
        """Give what the browser signs, in base64url."""
        return urlsafe_b64encode(to_sign(self.raw)).decode().rstrip("=")


class MustSign(ZedopsError):
    """A commit waits for the person's signature."""

    def __init__(self, pending: Pending) -> None:
        super().__init__("sign the commit")
        self.pending = pending


class Unsigned:
    """The commits that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Pending] = {}

    def put(
        self, session: str, act: Act, raw: bytes, told: tuple[str, ...] = ()
    ) -> Pending:
        """Keep a commit; the oldest gives way."""
        now = time.monotonic()
        made = Pending(secrets.token_urlsafe(16), session, act, raw, now + _OPEN_S, told)
        with self._lock:
            self._open = {key: each for key, each in self._open.items() if each.ends > now}
            while len(self._open) >= _MOST:
                del self._open[next(iter(self._open))]
            self._open[made.mark] = made
        return made

    def take(self, session: str, mark: str) -> Pending:
        """Take a commit of a session out. NotProven where there is none."""
        with self._lock:
            found = self._open.get(mark)
            if found is None or found.session != session or found.ends < time.monotonic():
                raise NotProven("this commit waits no longer; begin again")
            return self._open.pop(mark)
