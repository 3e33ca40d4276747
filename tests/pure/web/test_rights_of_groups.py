"""Groups of an OpenID provider: rights on the page, none for commits, and an end of sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from zedops.errors import Problem
from zedops.fleet.access import Signer, judge
from zedops.fleet.fleet import Fleet
from zedops.spec.openid_settings import OpenId
from zedops.spec.settings import Person as Rights
from zedops.spec.settings import Right, Settings
from zedops.spec.web_settings import Login, WebSettings
from zedops.web import openid_secret
from zedops.web.rules import Rules
from zedops.web.sessions import Session
from zedops.web.tickets import Person

PEOPLE = {
    "boss@example.org": Rights(may=(Right.SETTINGS,)),
    "ann@example.org": Rights(may=(Right.CHANGE,)),
    "group:ops": Rights(may=(Right.EXEC,), paths=("servers.d/mc-*",)),
}
PROVIDER = OpenId(issuer="https://id.example.org", client_id="zedops")
RULES = Rules(WebSettings(logins=(Login.OIDC,), oidc=PROVIDER), PEOPLE, known=True)


def session(email: str, *groups: str, by: str = PROVIDER.mark) -> Session:
    return Session("x", Person("Ann", email), Login.OIDC, groups=groups, by=by)


def test_a_group_gives_its_right_within_its_paths() -> None:
    ann = session("ann@example.org", "ops")
    assert RULES.may(ann, Right.EXEC, "servers.d/mc-a.yaml")
    assert not RULES.may(ann, Right.EXEC, "servers.d/vault.yaml")
    assert RULES.may(ann, Right.CHANGE, "servers.d/vault.yaml")
    assert not RULES.may(session("ann@example.org"), Right.EXEC, "servers.d/mc-a.yaml")
    assert not RULES.may(None, Right.EXEC, "servers.d/mc-a.yaml")


@pytest.mark.parametrize("email", ["group:ops", "", "other@example.org"])
def test_no_address_is_a_group(email: str) -> None:
    assert not RULES.may(session(email), Right.EXEC, "servers.d/mc-a.yaml")


def test_without_an_answer_of_the_manager_no_person_has_a_right() -> None:
    rules = Rules(RULES.web, {}, known=False)
    assert not rules.may(session("ann@example.org"), Right.EXEC, "servers.d/mc-a.yaml")


def test_a_key_with_a_groups_name_gives_nothing_to_push() -> None:
    settings = Settings(name="f", people={**PEOPLE, "group:ops": Rights(may=tuple(Right))})
    found = judge_one(settings, "group:ops")
    assert found is not None
    assert "may not change it" in found.fact
    assert judge_one(settings, "ann@example.org") is None


def judge_one(settings: Settings, name: str) -> Problem | None:
    """Judge a change of a file that is no server."""
    fleet = Fleet("f", settings, {})
    path = "README.md"
    return judge(settings, fleet, fleet, [path], {path: Signer("c" * 40, (name,))}, {}).get(path)


def test_a_fleet_needs_a_person_who_may_change_the_settings() -> None:
    with pytest.raises(ValueError, match="no person may change the settings"):
        Settings(name="f", people={"group:ops": Rights(may=(Right.SETTINGS,))})


def test_sessions_end_with_their_provider_and_their_groups() -> None:
    ann = session("ann@example.org", "ops")
    assert RULES.let_in(ann, "localhost")
    other = OpenId(issuer="https://other.example.org", client_id="zedops")
    strict = OpenId(issuer=PROVIDER.issuer, client_id="zedops", groups=("games",))
    for settings in (other, strict, None):
        logins = (Login.OIDC,) if settings else (Login.LINK,)
        rules = Rules(WebSettings(logins=logins, oidc=settings), PEOPLE, known=True)
        assert not rules.let_in(ann, "localhost"), settings


def test_a_secret_is_for_its_own_provider_only(tmp_path: Path) -> None:
    assert openid_secret.read_secret(tmp_path, PROVIDER) is None
    openid_secret.keep(tmp_path, PROVIDER.issuer, PROVIDER.client_id, "hush")
    assert openid_secret.read_secret(tmp_path, PROVIDER) == "hush"
    for issuer, client in (("https://evil.example", "zedops"), (PROVIDER.issuer, "other")):
        assert openid_secret.read_secret(tmp_path, OpenId(issuer=issuer, client_id=client)) is None
    (tmp_path / "oidc-secret").write_text("[]")
    assert openid_secret.read_secret(tmp_path, PROVIDER) is None


def test_logins_with_openid_name_their_provider() -> None:
    with pytest.raises(ValueError, match="does not know the provider"):
        WebSettings(logins=(Login.OIDC,))
