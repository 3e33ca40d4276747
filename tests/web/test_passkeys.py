"""Passkeys with a real browser and a virtual authenticator: made, let in, used, and taken away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.machine import Machine
from tests.web.conftest import link
from tests.web.passkeys import authenticator, can_log_in, log_in, make
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]


@pytest.fixture
def desk(chromium: Browser, fleet: Machine) -> Iterator[Visitor]:
    """Give a tab of a browser with an authenticator; the fleet forgets its keys."""
    before = (fleet.clone / "zedops.yaml").read_text()
    with authenticator(chromium, fleet) as visitor:
        yield visitor
    fleet.pull()
    fleet.write("zedops.yaml", before)
    (fleet.clone / "allowed_signers").unlink(missing_ok=True)
    fleet.push("no passkeys")


def test_a_passkey_is_made_let_in_used_and_taken_away(fleet: Machine, desk: Visitor) -> None:
    line = make(desk, "ann@example.org", "Ann <b>O'Brien</b>")
    assert line.startswith('ann@example.org namespaces="git" sk-ecdsa-sha2-nistp256@openssh.com ')
    page = log_in(desk)
    expect(page.locator("#passkey-told")).to_contain_text("does not know this passkey")
    desk.check_access("the login page")
    desk.check_narrow("the login page")
    desk.open("/login/passkey/new")
    desk.check_access("the page of a new passkey")

    page.goto(link(fleet))
    page.wait_for_url(f"{desk.url}/")
    desk.open("/passkeys").get_by_label("Line").fill("ben@example.org ssh-ed25519 AAAA")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_text("no line of one passkey")).to_be_visible()
    desk.open("/passkeys").get_by_label("Line").fill(line)
    desk.check_access("the passkeys")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    fleet.pull()
    assert (fleet.clone / "allowed_signers").read_text() == f"{line}\n"
    assert "ada@example.org" in fleet.git("log", "-1", "--format=%ae", "--", "allowed_signers")

    page.get_by_role("button", name="Log out").click()
    fleet.wait_for(lambda: can_log_in(desk))  # the page reads what was pushed a moment later
    page.wait_for_url(f"{desk.url}/")
    expect(page.locator("header")).to_contain_text("Ann bOBrien/b")
    assert "logged in with a passkey" in fleet.said()

    (fleet.clone / "allowed_signers").unlink()
    fleet.push("the passkey is lost")
    fleet.wait_for(lambda: "/login" in desk.open("/").url)  # its sessions end with it
    fleet.wait_for(lambda: _is_unknown(desk))
    desk.faults = [each for each in desk.faults if "the server responded" not in each]
    assert desk.faults == []


def _is_unknown(desk: Visitor) -> bool:
    page = log_in(desk)
    told = page.locator("#passkey-told")
    expect(told.or_(page.get_by_role("button", name="Log out"))).not_to_be_empty()
    if told.count():
        return "does not know this passkey" in told.inner_text()
    page.get_by_role("button", name="Log out").click()
    return False


def test_an_answer_counts_once_and_a_forged_one_never(
    fleet: Machine, desk: Visitor, ask: Ask
) -> None:
    line = make(desk, "eve@example.org", "Eve")
    fleet.write("allowed_signers", f"{line}\n")
    fleet.push("a passkey")
    sent: list[str] = []
    desk.page.on("request", lambda one: sent.append(one.post_data or "")
                 if one.url.endswith("/login/passkey/finish") else None)

    fleet.wait_for(lambda: can_log_in(desk))
    host = {"Host": f"localhost:{fleet.page}", "Origin": desk.url}

    def again(body: str) -> Any:
        return ask("POST", "/login/passkey/finish", body, **host)

    used = again(sent[-1])
    assert (used.status, used.headers["Set-Cookie"]) == (403, None)
    assert "was used" in used.text
    said = json.loads(sent[-1])
    fresh = ask("POST", "/login/passkey/begin", "{}", **host)
    said["state"] = json.loads(fresh.text)["state"]
    assert again(json.dumps(said)).status == 403, "it signed another challenge"
    broken = ("", "[]", "{}", '{"credential": 5}', '{"state": "x", "credential": {}}', "[" * 9999)
    for body in broken:
        assert again(body).status == 403, body
    assert ask("POST", "/login/passkey/begin", "{}", Host=host["Host"]).status == 403
