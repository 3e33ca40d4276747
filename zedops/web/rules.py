"""What the fleet says about its page: settings, rights of people, passkeys. Asked of the manager.

They change with a push. Where the manager does not answer, the last ones stand; before its first
answer no person has a right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from zedops.control import client
from zedops.errors import ZedopsError
from zedops.fleet import access
from zedops.fleet.passkeys import Passkey
from zedops.spec.settings import GROUP, Person, Right
from zedops.spec.web_settings import Login, WebSettings
from zedops.web.sessions import Session, who

#: A change of rights counts after this time at most; each request asking would be 1,000 a second.
_FRESH_S = 1.0


@dataclass(frozen=True)
class Rules:
    """The rules at one moment."""

    web: WebSettings = field(default_factory=WebSettings)
    people: Mapping[str, Person] = field(default_factory=dict)
    signed: bool = True
    passkeys: tuple[Passkey, ...] = ()
    known: bool = False

    def let_in(self, session: Session, place: str) -> bool:
        """Say whether the fleet still takes the login of a session."""
        if session.how == Login.PASSKEY and not any(
            each.email == session.person.email and each.place == place for each in self.passkeys
        ):
            return False
        if session.how == Login.OIDC:
            oidc = self.web.oidc
            if oidc is None or session.by != oidc.mark:
                return False
            if oidc.groups and set(oidc.groups).isdisjoint(session.groups):
                return False
        return session.how in self.web.logins

    def names(self, session: Session) -> list[str]:
        """Name a person as `people:` does: by address, and by groups on this page alone."""
        email = session.person.email
        if not self.known or not email or email.startswith(GROUP):
            return []
        return [email, *(f"{GROUP}{each}" for each in session.groups)]

    def may(self, session: Session | None, right: Right, path: str) -> bool:
        """Say whether a person has a right at a file of the fleet."""
        names = self.names(session) if session else []
        return bool(names) and access.may(self.people, names, right, path)


def may_push(request: HTTPConnection) -> bool:
    """Say whether a person may push anything, which goes by the address alone; the hub judges."""
    session, rules = who(request), request.scope.get("zedops.rules", Rules())
    names = rules.names(session)[:1] if session else []
    return bool(names) and bool(access.rights(rules.people, names) - {Right.EXEC})


def rights_of(request: HTTPConnection) -> frozenset[Right]:
    """List what the person of a request may do; nothing without an address for commits."""
    session, rules = who(request), request.scope.get("zedops.rules", Rules())
    names = rules.names(session) if session else []
    return access.rights(rules.people, names) if names else frozenset()


class RuleBook:
    """The newest rules."""

    def __init__(self, hub: Path) -> None:
        self._hub, self._asked = hub, 0.0
        self._lock = asyncio.Lock()
        self.last = Rules()

    async def now(self) -> Rules:
        """Give the rules, as new as needed."""
        if time.monotonic() - self._asked > _FRESH_S:
            async with self._lock:
                if time.monotonic() - self._asked > _FRESH_S:
                    self.last = await run_in_threadpool(self._ask)
                    self._asked = time.monotonic()
        return self.last

    def _ask(self) -> Rules:
        try:
            return _read(client.ask_hub(self._hub, {"do": "web-rules"}, lambda _: None))
        except (ZedopsError, ValueError, KeyError, TypeError):
            return self.last


def _read(said: dict[str, Any]) -> Rules:
    people = {name: Person.model_validate(each, strict=False)
              for name, each in said["people"].items()}
    keys = tuple(Passkey(email, bytes.fromhex(point), place, name)
                 for email, point, place, name in said["passkeys"])
    web = WebSettings.model_validate(said["web"], strict=False)
    return Rules(web, people, said["signed"], keys, known=True)
