"""Logins with a real OpenID provider, which runs beside the fleet; and attacks on them."""

from __future__ import annotations

import http.client
import json
import re
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.machine import Machine, free_port
from tests.web.test_refusals import own
from tests.web.test_who import login_page, put, settings, soon

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]
PEOPLE = [
    {"sub": "ann", "email": "ann@example.org", "email_verified": True, "name": "Ann",
     "groups": ["games", "x"]},
    {"sub": "eve", "email": "ada@example.org", "email_verified": False, "name": "Eve"},
]


@pytest.fixture(scope="module")
def provider(fleet: Machine) -> Iterator[str]:
    """Run a provider with two people."""
    port = free_port()
    people = [each for one in PEOPLE for each in ("--user-claims", json.dumps(one))]
    log = (fleet.folder / "provider.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true",
         *people], stdout=log, stderr=subprocess.STDOUT,
    )
    issuer = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        fleet.wait_for(answers)
        yield issuer
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


@pytest.fixture(scope="module")
def oidc(fleet: Machine, provider: str) -> Iterator[str]:
    """Let the provider's people log in."""
    with settings(fleet, f"{{logins: [link, oidc], oidc: {{issuer: '{provider}',"
                         " client_id: zedops}}"):
        fleet.wait_for(lambda: "/login/oidc" in login_page(fleet))
        assert "the secret is empty" in fleet.zedops("web", "oidc-secret", code=2).stderr
        subprocess.run([sys.executable, "-m", "zedops", "web", "oidc-secret"], input=b"hush\n",
                       cwd=fleet.clone, check=True, stdout=subprocess.DEVNULL)
        yield provider


def begun(fleet: Machine, ask: Ask) -> tuple[str, str]:
    """Begin a login; returns the provider's address and the login's cookie."""
    answer = ask("GET", "/login/oidc")
    assert answer.status == 303, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert "SameSite=lax" in cookie
    assert "HttpOnly" in cookie
    return answer.headers["Location"], cookie.partition(";")[0]


def agreed(address: str, person: str) -> str:
    """Log in at the provider; returns the path that it sends the browser to."""
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=20)) as asked:
        asked.request("POST", f"{parts.path}?{parts.query}", urlencode({"sub": person}),
                      {"Content-Type": "application/x-www-form-urlencoded"})
        with asked.getresponse() as answer:
            back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def test_a_person_of_the_provider_logs_in_and_reads_their_name(
    fleet: Machine, ask: Ask, oidc: str
) -> None:
    kept = fleet.hub / "zedops" / "web" / "oidc-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    address, cookie = begun(fleet, ask)
    wanted = parse_qs(urlsplit(address).query)
    assert address.startswith(f"{oidc}/")
    assert (wanted["response_type"], wanted["code_challenge_method"]) == (["code"], ["S256"])
    assert wanted["redirect_uri"] == [f"{own(fleet)}/login/oidc/done"]
    assert min(len(wanted[key][0]) for key in ("state", "nonce", "code_challenge")) >= 43
    answer = ask("GET", agreed(address, "ann"), Cookie=cookie)
    assert answer.status == 200, answer.text
    assert 'url=/"' in answer.text, "the next request comes from this site, with its cookie"
    session = re.search(r"zedops-[0-9a-f]{8}=[^;]+", str(answer.headers.get_all("Set-Cookie")))
    assert session is not None
    page = ask("GET", "/", Cookie=session[0])
    assert page.status == 200
    assert "<span>Ann</span>" in page.text
    assert "Ann <ann@example.org> logged in with " in fleet.said()


def test_an_answer_that_is_replayed_or_of_another_browser_is_refused(
    fleet: Machine, ask: Ask, oidc: str
) -> None:
    address, cookie = begun(fleet, ask)
    path = agreed(address, "ann")
    assert ask("GET", path).status == 403, "without the cookie of the login"
    _, another = begun(fleet, ask)
    stolen = ask("GET", path, Cookie=another)
    assert (stolen.status, stolen.text) == (
        403, "this login was begun elsewhere; begin again on this page\n")
    evil = path.replace("state=", f"iss={oidc}.evil.example&state=")
    assert "comes from another provider" in ask("GET", evil, Cookie=cookie).text
    again = ask("GET", path, Cookie=cookie)
    assert (again.status, "was used" in again.text) == (403, True), "a state works once"
    address, cookie = begun(fleet, ask)
    used = re.sub(r"state=[^&]+", f"state={parse_qs(urlsplit(address).query)['state'][0]}", path)
    codes = ask("GET", re.sub(r"code=[^&]+", "code=guess", used), Cookie=cookie)
    assert codes.status == 403
    assert codes.headers["Set-Cookie"] is None
    assert f"{oidc} let no person in" in codes.text
    address, cookie = begun(fleet, ask)
    twice = agreed(address, "ann") + "&state=x"
    assert "cannot be read" in ask("GET", twice, Cookie=cookie).text


def test_an_unverified_address_lets_no_person_in(fleet: Machine, ask: Ask, oidc: str) -> None:
    address, cookie = begun(fleet, ask)
    answer = ask("GET", agreed(address, "eve"), Cookie=cookie)
    assert answer.status == 403
    assert f"{oidc} let no person in: it has not verified the address ada@example.org" in (
        answer.text)
    assert "refused a login from 127.0.0.1" in fleet.said()


def test_no_address_leads_away_from_the_page(fleet: Machine, ask: Ask, oidc: str) -> None:
    for path in ("/login/oidc?next=https://evil.example", "/login/oidc?to=//evil.example"):
        assert ask("GET", path).headers["Location"].startswith(f"{oidc}/")
    for path in ("/login/oidc/done?next=//evil.example", "/login/oidc/done?error=<b>"):
        answer = ask("GET", path)
        assert (answer.status, answer.headers["Location"]) == (403, None)
        assert "<b>" not in answer.text


def test_sessions_of_a_provider_end_with_it(fleet: Machine, ask: Ask, oidc: str) -> None:
    address, cookie = begun(fleet, ask)
    answer = ask("GET", agreed(address, "ann"), Cookie=cookie)
    session = re.search(r"zedops-[0-9a-f]{8}=[^;]+", str(answer.headers.get_all("Set-Cookie")))
    assert session is not None
    assert ask("GET", "/", Cookie=session[0]).status == 200
    path = fleet.clone / "zedops.yaml"
    before = path.read_text()
    put(fleet, before.replace("client_id: zedops", "client_id: zedops, groups: [ops]"))
    try:
        soon(fleet, lambda: ask("GET", "/", Cookie=session[0]), 401)
        address, cookie = begun(fleet, ask)
        refused = ask("GET", agreed(address, "ann"), Cookie=cookie)
        assert "ann@example.org is in none of the groups" in refused.text
    finally:
        put(fleet, before)
        soon(fleet, lambda: ask("GET", "/", Cookie=session[0]), 200)
    put(fleet, before.replace("client_id: zedops", "client_id: another"))
    try:
        soon(fleet, lambda: ask("GET", "/", Cookie=session[0]), 401)
    finally:
        put(fleet, before)
        soon(fleet, lambda: ask("GET", "/", Cookie=session[0]), 200)


def test_a_browser_logs_in_by_way_of_the_provider(
    fleet: Machine, chromium: Browser, oidc: str
) -> None:
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(f"{own(fleet)}/login")
        page.get_by_role("link", name=f"Log in with {urlsplit(oidc).netloc}").click()
        page.locator("input[name=sub]").fill("ann")
        page.get_by_role("button", name="Authorize", exact=True).click()
        page.wait_for_url(f"{own(fleet)}/")
        expect(page.locator(".person")).to_contain_text("Ann")
    finally:
        context.close()
