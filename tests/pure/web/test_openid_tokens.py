"""Tokens of an OpenID provider: a good one names a person, every other one names no person."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hmac import digest
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from zedops.spec.openid_settings import OpenId
from zedops.web import openid
from zedops.web.webauthn import NotProven

ISSUER, CLIENT, NONCE, NOW = "https://id.example.org", "zedops", "n" * 64, 1_000_000
SETTINGS = OpenId(issuer=ISSUER, client_id=CLIENT)
KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, auto_kid=False)
OTHER = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, auto_kid=False)
KEYS = KeySet([KEY]).as_dict(private=False)
GOOD = {"iss": ISSUER, "sub": "1", "aud": CLIENT, "exp": NOW + 300, "iat": NOW, "nonce": NONCE,
        "email": "ann@example.org", "email_verified": True, "name": "Ann", "groups": ["games"]}


def token(key: RSAKey = KEY, header: dict[str, str] | None = None, **claims: Any) -> str:
    said = {key: each for key, each in {**GOOD, **claims}.items() if each is not None}
    return jwt.encode(header or {"alg": "RS256", "kid": "1"}, said, key)


def claims_of(raw: str) -> dict[str, Any]:
    return openid.check(SETTINGS, raw, KEYS, NONCE, "", NOW)


def test_a_good_token_names_its_person_and_their_groups() -> None:
    told = openid.read(SETTINGS, claims_of(token(name="Ann <i>\n")))
    assert (told.person.name, told.person.email) == ("Ann i", "ann@example.org")
    assert told.groups == ("games",)


@pytest.mark.parametrize("claims", [
    {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"iss": None},
    {"aud": "another"}, {"aud": [CLIENT, "another"]}, {"aud": None},
    {"aud": [CLIENT, "another"], "azp": "another"},
    {"nonce": "replayed"}, {"nonce": None},
    {"exp": NOW - 100}, {"exp": None}, {"iat": NOW + 1000}, {"iat": None}, {"sub": None},
    {"exp": "never"},
])  # fmt: skip
def test_a_token_of_another_issuer_client_login_or_time_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(NotProven, match="token does not hold"):
        claims_of(token(**claims))


def by_hand(algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """Make a token that no library makes."""
    parts = [json.dumps({"alg": algorithm, "kid": "1"}), json.dumps(GOOD)]
    body = ".".join(written(each.encode()) for each in parts)
    return f"{body}.{written(sign(body.encode()))}"


def written(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def with_shared_secret() -> str:
    """Sign with the public key as a secret, which careless libraries take."""
    return by_hand("HS256", lambda body: digest(KEY.as_pem(private=False), body, "sha256"))


@pytest.mark.parametrize("make", [
    lambda: by_hand("none", lambda _: b""), with_shared_secret, lambda: token(OTHER),
    lambda: token()[:-9] + "AAAAAAAAA", lambda: "", lambda: "a.b.c",
    lambda: token(header={"alg": "RS256", "kid": "unknown"}),
])  # fmt: skip
def test_a_token_without_the_providers_signature_is_refused(make: Any) -> None:
    with pytest.raises(NotProven, match="token does not hold"):
        claims_of(make())


def test_keys_with_a_shared_secret_count_for_nothing() -> None:
    keys = {"keys": [OctKey.import_key("secret" * 8, {"kid": "1"}).as_dict(private=True)]}
    with pytest.raises(NotProven):
        openid.check(SETTINGS, token(), keys, NONCE, "", NOW)


@pytest.mark.parametrize(("claims", "why"), [
    ({"email_verified": False}, "has not verified"), ({"email_verified": None}, "has not verified"),
    ({"email_verified": "true"}, "has not verified"), ({"email": None}, "no address"),
    ({"email": "no address"}, "no address"), ({"email": 5}, "no address"),
])  # fmt: skip
def test_an_address_that_the_provider_has_not_verified_is_none(
    claims: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotProven, match=why):
        openid.read(SETTINGS, {**GOOD, **claims})


def test_only_members_of_named_groups_come_in() -> None:
    settings = OpenId(issuer=ISSUER, client_id=CLIENT, groups=("ops",))
    for groups in (["games"], "ops", None, [["ops"]]):
        with pytest.raises(NotProven, match="none of the groups"):
            openid.read(settings, {**GOOD, "groups": groups})
    assert openid.read(settings, {**GOOD, "groups": ["games", "ops"]}).groups == ("games", "ops")


@pytest.mark.parametrize("issuer", [
    "http://id.example.org", "ftp://id.example.org", "id.example.org", "https://", "https://a b",
    "https://ann@id.example.org", "https://id.example.org?x=1", "https://id.example.org:port",
])  # fmt: skip
def test_a_provider_is_reached_over_tls_or_on_this_machine(issuer: str) -> None:
    with pytest.raises(ValueError, match="is no address of an OpenID provider"):
        OpenId(issuer=issuer, client_id=CLIENT)
    for good in ("https://id.example.org/realms/games", "http://127.0.0.1:9000"):
        assert OpenId(issuer=good, client_id=CLIENT).issuer == good
