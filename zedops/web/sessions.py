"""Who a request is from: a signed cookie names the person; `who` is the one place that says.

Other ways to log in make the same session with `begin`. A session ends by itself, some time after
its last request and after its login; or with a logout, which is kept on disk until then; or with
all others, when the key changes.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as keyed_digest
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from zedops.system import files
from zedops.web.place import Place
from zedops.web.session_key import SessionKey
from zedops.web.tickets import Person

_ENDED = "ended.json"
#: Of the token of forms, and of its mask.
_TOKEN_BYTES = 32
#: A cookie is made again at most this often: each request is activity, few need a new cookie.
_RENEW_S = 60.0
#: The way of a session that no cookie holds, as a reverse proxy says it with each request.
PROXY = "proxy"


@dataclass(frozen=True)
class Session:
    """A person's session in one browser."""

    id: str
    person: Person
    how: str  #: the way of the login: `link`, `passkey`, `proxy`, `oidc`
    begun: float = 0.0  #: seconds since the epoch, as `seen`
    seen: float = 0.0
    key: bytes = field(default=b"", repr=False)  #: the key that signed it
    groups: tuple[str, ...] = ()  #: of the person, by an OpenID provider
    by: str = ""  #: the provider


class Sessions:
    """Makes, reads and ends sessions; `folder` holds their key."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder, self._place = folder, place
        self._key = SessionKey(folder)
        # two fleets on one machine share a browser's cookies, which know no ports
        self._mark = sha256(str(folder).encode()).hexdigest()[:8]
        self._ended = self._read_ended()
        #: How long a session lasts, and how long without a request. The fleet's settings say.
        self.session_s, self.idle_s = 7 * 86400.0, 86400.0

    @property
    def cookie(self) -> str:
        """Name the cookie; over TLS with the prefix that no other host can set."""
        return f"{'__Host-' if self._place.is_secure else ''}zedops-{self._mark}"

    @staticmethod
    def _signer(key: bytes) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(key, "zedops session")

    def _read_ended(self) -> dict[str, float]:
        try:
            said = json.loads(files.read(self._folder / _ENDED, 1 << 20))
            return {str(key): float(each) for key, each in said.items()}
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            return {}

    def begin(
        self, response: Response, person: Person, how: str, groups: tuple[str, ...] = (),
        by: str = "",
    ) -> None:
        """Give a person a session."""
        now = time.time()
        self._put(response, Session(
            secrets.token_urlsafe(12), person, how, now, now, groups=groups, by=by
        ))

    def renew(self, response: Response, session: Session) -> bool:
        """Note that a session is in use; says whether that changed its cookie."""
        now = time.time()
        if session.how == PROXY or now - session.seen < min(_RENEW_S, self.idle_s / 10):
            return False
        self._put(response, session)
        return True

    def _put(self, response: Response, session: Session) -> None:
        said = {"id": session.id, "name": session.person.name, "email": session.person.email,
                "how": session.how, "begun": session.begun}
        if session.by:
            said |= {"groups": session.groups, "by": session.by}
        value = self._signer(self._key.now()).dumps(said)
        response.set_cookie(
            self.cookie, value, max_age=int(self.session_s), path="/", httponly=True,
            secure=self._place.is_secure, samesite="strict",
        )

    def read(self, request: HTTPConnection) -> Session | None:
        """Read the session of a request; None without one, or with one that does not hold."""
        key = self._key.now()
        try:
            said, seen = self._signer(key).loads(
                request.cookies.get(self.cookie, ""), return_timestamp=True
            )
            session = Session(said["id"], Person(said["name"], said["email"]), said["how"],
                              float(said["begun"]), seen.timestamp(), key,
                              tuple(said.get("groups", ())), said.get("by", ""))
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        return session if self.holds(session) else None

    def holds(self, session: Session) -> bool:
        """Say whether a session goes on."""
        now = time.time()
        if session.how == PROXY:
            return True
        if session.key != self._key.now():
            return False
        return (session.id not in self._ended and now < session.begun + self.session_s
                and now < session.seen + self.idle_s)

    def end(self, response: Response, session: Session) -> None:
        """End a session for good, also for a copy of its cookie."""
        if session.how == PROXY:
            return
        now = time.time()
        self._ended = {key: each for key, each in self._ended.items() if each > now}
        self._ended[session.id] = session.begun + self.session_s
        files.write(self._folder / _ENDED, json.dumps(self._ended).encode())
        response.delete_cookie(
            self.cookie, path="/", secure=self._place.is_secure, samesite="strict"
        )

    def seal(self, purpose: str, value: str) -> str:
        """Sign a short-lived value that a browser brings back."""
        return URLSafeTimedSerializer(self._key.now(), f"zedops {purpose}").dumps(value)

    def unseal(self, purpose: str, said: str, most_s: int) -> str | None:
        """Read such a value; None if it is forged, or too old."""
        try:
            signer = URLSafeTimedSerializer(self._key.now(), f"zedops {purpose}")
            return str(signer.loads(said, max_age=most_s))
        except BadSignature:
            return None

    def derive(self, purpose: str, value: str) -> str:
        """Make a secret of a value that a browser may know; the same each time."""
        return keyed_digest(self._key.now(), f"{purpose} {value}".encode(), "sha256").hex()

    def token(self, session: Session) -> str:
        """Make a token that each form of a session carries, against forged requests (CSRF).

        It differs each time, so that pages with a reader's own text in them can be compressed
        (BREACH; Django masks its tokens for the same reason).
        """
        mask = secrets.token_bytes(_TOKEN_BYTES)
        return (mask + _xor(mask, self._form_secret(session))).hex()

    def is_token(self, session: Session, said: str) -> bool:
        """Check a form's token."""
        try:
            raw = bytes.fromhex(said)
        except ValueError:
            return False
        if len(raw) != 2 * _TOKEN_BYTES:
            return False
        found = _xor(raw[:_TOKEN_BYTES], raw[_TOKEN_BYTES:])
        return compare_digest(found, self._form_secret(session))

    def _form_secret(self, session: Session) -> bytes:
        return bytes.fromhex(self.derive("form", session.id))


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def who(request: HTTPConnection) -> Session | None:
    """Say who a request is from; None without a session."""
    session: Session | None = request.scope.get("zedops.session")
    return session
