"""Asks an OpenID provider who a person is: OpenID Connect Core 1.0, the code flow with PKCE.

The one room of Authlib and joserfc, an extra. Nothing that the provider or the browser says counts
before the token's signature, issuer, audience, nonce and time have been checked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zedops.errors import UsageError
from zedops.spec.openid_settings import OpenId, is_safe
from zedops.web.tickets import Person, clean
from zedops.web.webauthn import NotProven

#: Signatures with the provider's public keys; `none` and shared secrets are none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_SCOPES = "openid email profile"
_ANSWER_S, _MOST_BYTES, _CLOCKS_S = 10, 1 << 20, 60
#: What a provider says about itself is asked again after this time, and keys where one is new.
_FRESH_S, _AGAIN_S = 3600.0, 30.0
#: Logins that wait for a provider at once: a slow one holds no more threads.
_AT_ONCE = threading.BoundedSemaphore(8)


@dataclass(frozen=True)
class Asked:
    """What one login is bound to."""

    state: str
    nonce: str
    verifier: str
    back: str  #: the URL that the provider sends the browser back to


@dataclass(frozen=True)
class Told:
    """What the provider says about a person."""

    person: Person
    groups: tuple[str, ...]


@dataclass
class _About:
    """What a provider says about itself, and its keys."""

    said: dict[str, Any]
    at: float
    keys: dict[str, Any] = field(default_factory=dict)
    keys_at: float = 0.0


class OpenIds:
    """Asks providers, and remembers what they say about themselves."""

    def __init__(self) -> None:
        self._known: dict[str, _About] = {}

    def address(self, settings: OpenId, asked: Asked) -> str:
        """Give the provider's URL at which a person logs in. NotProven."""
        with _Turn(settings):
            about = self._about(settings)
            session = _session(settings, None)
            made, _ = session.create_authorization_url(
                _endpoint(about, "authorization_endpoint"), state=asked.state, nonce=asked.nonce,
                code_verifier=asked.verifier, redirect_uri=asked.back,
                scope=" ".join((_SCOPES, *settings.scopes)),
            )
        return str(made)

    def person(
        self, settings: OpenId, secret: str | None, asked: Asked, said: Mapping[str, str]
    ) -> Told:
        """Ask who logged in; `said` is what the browser brought back. NotProven."""
        with _Turn(settings):
            about = self._about(settings)
            names_itself = about.said.get("authorization_response_iss_parameter_supported")
            if said.get("iss", None if names_itself else settings.issuer) != settings.issuer:
                raise NotProven("the answer comes from another provider (RFC 9207)")
            session = _session(settings, secret)
            if secret and "client_secret_post" in about.said.get(
                "token_endpoint_auth_methods_supported", ["client_secret_basic"]
            ) and "client_secret_basic" not in about.said["token_endpoint_auth_methods_supported"]:
                session.token_endpoint_auth_method = "client_secret_post"  # noqa: S105
            token = session.fetch_token(
                _endpoint(about, "token_endpoint"), code=said.get("code", ""),
                grant_type="authorization_code", redirect_uri=asked.back,
                code_verifier=asked.verifier, timeout=_ANSWER_S, allow_redirects=False,
            )
            raw, access = str(token.get("id_token") or ""), str(token.get("access_token") or "")
            claims = self._claims(settings, about, raw, asked.nonce, access)
            if "email" not in claims and "userinfo_endpoint" in about.said:
                more = _get(session, _endpoint(about, "userinfo_endpoint"), access)
                if more.get("sub") != claims["sub"]:
                    raise NotProven("the provider speaks of two people")
                claims = {**more, **claims}
            return read(settings, claims)

    def _about(self, settings: OpenId) -> _About:
        known = self._known.get(settings.issuer)
        if known is None or time.monotonic() - known.at > _FRESH_S:
            url = settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            said = _get(_session(settings, None), url)
            if said.get("issuer") != settings.issuer:
                named = str(said.get("issuer"))[:100]
                raise NotProven(f"it calls itself {named!r}; `issuer` must be exactly that")
            known = _About(said, time.monotonic())
            self._known = {settings.issuer: known}
        return known

    def _claims(
        self, settings: OpenId, about: _About, raw: str, nonce: str, access: str
    ) -> dict[str, Any]:
        """Check a token; a key that is new is asked for, once in a while."""
        if not about.keys:
            self._ask_keys(settings, about)
        try:
            return check(settings, raw, about.keys, nonce, access)
        except NotProven:
            if time.monotonic() - about.keys_at < _AGAIN_S:
                raise
            self._ask_keys(settings, about)
            return check(settings, raw, about.keys, nonce, access)

    def _ask_keys(self, settings: OpenId, about: _About) -> None:
        about.keys = _get(_session(settings, None), _endpoint(about, "jwks_uri"))
        about.keys_at = time.monotonic()


def check(
    settings: OpenId, raw: str, keys: Mapping[str, Any], nonce: str, access: str,
    now: float | None = None,
) -> dict[str, Any]:
    """Check an ID token (OpenID Connect Core 1.0, 3.1.3.7), and return its claims. NotProven."""
    _library()
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        public = [each for each in keys["keys"] if each.get("kty") in ("RSA", "EC", "OKP")
                  and each.get("use", "sig") == "sig"]
        found = KeySet.import_key_set({"keys": public})
        token = jwt.decode(raw, found, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            token.claims, token.header,
            {"iss": {"essential": True, "value": settings.issuer},
             "aud": {"essential": True, "value": settings.client_id}},
            {"nonce": nonce, "client_id": settings.client_id, "access_token": access},
        )
        claims.validate(now=int(time.time() if now is None else now), leeway=_CLOCKS_S)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotProven(f"its token does not hold: {_brief(error)}") from error
    return dict(claims)


def read(settings: OpenId, claims: Mapping[str, Any]) -> Told:
    """Read who a person is from checked claims. NotProven without a verified address."""
    said = claims.get("email")
    email = clean(said) if isinstance(said, str) else ""
    if not email or "@" not in email or " " in email:
        raise NotProven("it names no address; ask for it with `scopes`")
    if claims.get("email_verified") is not True:
        raise NotProven(f"it has not verified the address {email}")
    groups = claims.get(settings.groups_claim, [])
    names = [each for each in groups if isinstance(each, str)] if isinstance(groups, list) else []
    if settings.groups and set(settings.groups).isdisjoint(names):
        raise NotProven(f"{email} is in none of the groups that may log in")
    shown = next((each for key in ("name", "preferred_username")
                  if isinstance(each := claims.get(key), str) and clean(each)), "")
    return Told(Person(clean(shown) or email.partition("@")[0], email), tuple(names))


class _Turn:
    """One of few logins at once; names the provider in every error."""

    def __init__(self, settings: OpenId) -> None:
        self._issuer = settings.issuer

    def __enter__(self) -> None:
        if not _AT_ONCE.acquire(blocking=False):
            raise NotProven("too many people log in at once; try again in a moment")

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        _AT_ONCE.release()
        if error is None or isinstance(error, UsageError):
            return
        from authlib.common.errors import AuthlibBaseError

        if isinstance(error, NotProven | AuthlibBaseError | OSError | ValueError | KeyError):
            raise NotProven(f"{self._issuer} let no person in: {_brief(error)}") from error


def _session(settings: OpenId, secret: str | None) -> Any:
    session = _library()(settings.client_id, secret, code_challenge_method="S256")
    session.max_redirects = 0
    return session


def _library() -> Any:
    try:
        from authlib.integrations.requests_client import OAuth2Session
    except ImportError as error:
        remedy = "`pip install 'zedops[oidc]'` on the manager's machine"
        raise UsageError(f"logins with OpenID need a library; {remedy}") from error
    return OAuth2Session


def _endpoint(about: _About, name: str) -> str:
    url = about.said.get(name)
    if not isinstance(url, str) or not is_safe(url):
        raise NotProven(f"it has no {name} with https")
    return url


def _get(session: Any, url: str, access: str = "") -> dict[str, Any]:
    """Get a JSON object of bounded size, without redirections."""
    headers = {"Accept": "application/json"}
    if access:
        headers["Authorization"] = f"Bearer {access}"
    with session.get(url, withhold_token=True, headers=headers, timeout=_ANSWER_S, stream=True,
                     allow_redirects=False) as answer:
        if answer.status_code != 200:
            raise NotProven(f"{url} answers {answer.status_code}")
        raw = answer.raw.read(_MOST_BYTES + 1, decode_content=True)
    said = json.loads(raw[:_MOST_BYTES])
    if not isinstance(said, dict):
        raise NotProven(f"{url} gives no object")
    return said


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
