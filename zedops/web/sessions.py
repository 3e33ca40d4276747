"""Who a request is from: a signed cookie names the person; `who` is the one place that says.

Other ways to log in make the same session with `begin`. A session ends by itself, or with a logout,
which is kept on disk until the session would have ended.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as keyed_digest
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from zedops.system import files
from zedops.web.tickets import Person

SESSION_S = 7 * 86400
_KEY, _ENDED = "key", "ended.json"


@dataclass(frozen=True)
class Session:
    """A person's session in one browser."""

    id: str
    person: Person
    how: str  #: the way of the login: `link`, …


class Sessions:
    """Makes, reads and ends sessions; `folder` holds their key."""

    def __init__(self, folder: Path, *, is_secure: bool) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._secure = folder, is_secure
        self._key = self._read_key()
        self._signer = URLSafeTimedSerializer(self._key, "zedops session")
        # two fleets on one machine share a browser's cookies, which know no ports
        mark = sha256(str(folder).encode()).hexdigest()[:8]
        self.cookie = f"{'__Host-' if is_secure else ''}zedops-{mark}"
        self._ended = self._read_ended()

    def _read_key(self) -> bytes:
        path = self._folder / _KEY
        try:
            key = files.read(path, 1024)
        except FileNotFoundError:
            key = b""
        if len(key) < 32:
            key = secrets.token_hex(32).encode()
            files.write(path, key)
        return key

    def _read_ended(self) -> dict[str, float]:
        try:
            said = json.loads(files.read(self._folder / _ENDED, 1 << 20))
            return {str(key): float(each) for key, each in said.items()}
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            return {}

    def begin(self, response: Response, person: Person, how: str) -> None:
        """Give a person a session."""
        said = {"id": secrets.token_urlsafe(12), "name": person.name, "email": person.email,
                "how": how}
        response.set_cookie(
            self.cookie, self._signer.dumps(said), max_age=SESSION_S, path="/", httponly=True,
            secure=self._secure, samesite="strict",
        )

    def read(self, request: HTTPConnection) -> Session | None:
        """Read the session of a request; None without one, or with one that does not hold."""
        try:
            said = self._signer.loads(request.cookies.get(self.cookie, ""), max_age=SESSION_S)
            session = Session(said["id"], Person(said["name"], said["email"]), said["how"])
        except (BadSignature, KeyError, TypeError):
            return None
        return None if session.id in self._ended else session

    def end(self, response: Response, session: Session) -> None:
        """End a session for good, also for a copy of its cookie."""
        now = time.time()
        self._ended = {key: each for key, each in self._ended.items() if each > now}
        self._ended[session.id] = now + SESSION_S
        files.write(self._folder / _ENDED, json.dumps(self._ended).encode())
        response.delete_cookie(self.cookie, path="/", secure=self._secure, samesite="strict")

    def token(self, session: Session) -> str:
        """Make the token that each form of a session carries, against forged requests (CSRF)."""
        return keyed_digest(self._key, f"form {session.id}".encode(), "sha256").hex()

    def is_token(self, session: Session, said: str) -> bool:
        """Check a form's token."""
        return compare_digest(self.token(session).encode(), said.encode())


def who(request: HTTPConnection) -> Session | None:
    """Say who a request is from; None without a session."""
    session: Session | None = request.scope.get("zedops.session")
    return session
