"""Requests that must not get through: each is refused in one line, and logged."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from itsdangerous import URLSafeTimedSerializer

from tests.machine import Machine
from tests.web.conftest import link

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]


def own(fleet: Machine) -> str:
    return f"http://127.0.0.1:{fleet.page}"


def login(fleet: Machine, ask: Ask) -> str:
    """Log in; returns the cookie."""
    path = link(fleet).removeprefix(own(fleet))
    answer = ask("POST", path, Origin=own(fleet))
    assert answer.status == 303, answer.text
    cookie: str = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return cookie.partition(";")[0]


PRIVATE = ("/", "/servers/a", "/live", "/nothing", "/logout")


@pytest.mark.parametrize("path", PRIVATE)
def test_without_a_session_there_is_nothing_to_see(fleet: Machine, ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.text) == (401, "log in first: `zedops web` prints a link\n")
    assert fleet.fleet not in answer.text
    assert f"'{path}' from 127.0.0.1: log in first" in fleet.said()


def test_a_forged_or_changed_session_is_none(fleet: Machine, ask: Ask) -> None:
    name, _, value = login(fleet, ask).partition("=")
    assert ask("GET", "/", Cookie=f"{name}={value}").status == 200
    forged = URLSafeTimedSerializer("guess", "zedops session").dumps(
        {"id": "x", "name": "Eve", "email": "eve@example.org", "how": "link"}
    )
    body, rest = value.split(".", 1)
    changed = ("A" if body[5] != "A" else "B").join((body[:5], body[6:]))
    for wrong in (forged, f"{changed}.{rest}", value[:-2], "", "a.b.c"):
        assert ask("GET", "/", Cookie=f"{name}={wrong}").status == 401, wrong


def test_a_session_that_ended_does_not_come_back(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    page = ask("GET", "/", Cookie=cookie).text
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own(fleet)}
    assert ask("POST", "/logout", "form_token=guess", Cookie=cookie, **kind).status == 403
    assert ask("GET", "/", Cookie=cookie).status == 200
    assert ask("POST", "/logout", f"form_token={token}", Cookie=cookie, **kind).status == 303
    assert ask("GET", "/", Cookie=cookie).status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""])
def test_a_foreign_host_is_refused(fleet: Machine, ask: Ask, host: str) -> None:
    for path in ("/", "/login", "/static/zedops.css"):
        assert ask("GET", path, Host=host).status == 421, path


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1:9999", "[::1]:8484"])
def test_a_tunnel_may_end_at_another_port(ask: Ask, host: str) -> None:
    assert ask("GET", "/login", Host=host).status == 200


@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "", "http://127.0.0.1:1", "file://",
])  # fmt: skip
def test_a_form_of_another_page_is_refused(fleet: Machine, ask: Ask, origin: str) -> None:
    cookie = login(fleet, ask)
    path = link(fleet).removeprefix(own(fleet))
    for target in ("/logout", path):
        answer = ask("POST", target, Cookie=cookie, Origin=origin)
        assert (answer.status, answer.text) == (403, "the request comes from another page\n")
    assert ask("GET", "/", Cookie=cookie).status == 200
    assert ask("POST", path, Origin=own(fleet)).status == 303, "and the link is not used up"


def test_a_link_works_once_and_guesses_are_limited(fleet: Machine, ask: Ask) -> None:
    path = link(fleet).removeprefix(own(fleet))
    assert ask("GET", path).status == 200, "to look at a link does not use it up"
    assert ask("POST", path, Origin=own(fleet)).status == 303
    again = ask("POST", path, Origin=own(fleet))
    assert (again.status, again.headers["Set-Cookie"]) == (403, None)
    seen = [ask("POST", f"/login/{n}", Origin=own(fleet)).status for n in range(25)]
    assert set(seen[:10]) == {403}
    assert seen[-1] == 429
    fleet.down()
    fleet.up()  # the limit is forgotten, and links as well


def test_a_form_of_ten_megabytes_is_refused(fleet: Machine, ask: Ask) -> None:
    try:
        status = ask("POST", "/logout", "x" * 10_000_000, Origin=own(fleet)).status
    except (BrokenPipeError, ConnectionResetError):  # the answer came before all was sent
        status = 413
    assert status == 413


def test_every_answer_forbids_what_no_page_needs(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    for path in ("/", "/login", "/static/zedops.js", "/nothing", "/servers/none"):
        headers: http.client.HTTPMessage = ask("GET", path, Cookie=cookie).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        assert "default-src 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Server"] is None


def test_what_is_compressed_holds_no_secret_that_stays_the_same(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    page = ask("GET", "/", Cookie=cookie)
    other = ask("GET", "/", Cookie=cookie)
    tokens = {each.text.partition('value="')[2].partition('"')[0] for each in (page, other)}
    assert len(tokens) == 2
    assert len({each[:8] for each in tokens}) == 2
    packed = ask("GET", "/", Cookie=cookie, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    script = page.text.partition('src="')[2].partition('"')[0]
    answer = ask("GET", script, Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" in answer.headers["Cache-Control"]
    assert ask("GET", "/static/../sessions.py").status == 404


def test_a_session_changes_nothing_without_its_token(fleet: Machine, ask: Ask) -> None:
    cookie, other = login(fleet, ask), login(fleet, ask)
    token = ask("GET", "/", Cookie=other).text.partition('value="')[2].partition('"')[0]
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own(fleet)}
    for path in ("/act", "/act/preview", "/edit", "/edit/check", "/new/write", "/hosts"):
        for said in ("", token, "guess"):
            body = f"verb=delete&server=a&name=attic&form_token={said}"
            answer = ask("POST", path, body, Cookie=cookie, **kind)
            assert (answer.status, answer.text.count("\n")) == (403, 1), (path, said)


def test_a_person_whom_git_does_not_know_only_reads(fleet: Machine, ask: Ask) -> None:
    for key in ("user.name", "user.email"):
        fleet.git("config", key, "")
    try:
        cookie = login(fleet, ask)
    finally:
        fleet.git("config", "user.name", "Ada <i>Lovelace</i>")
        fleet.git("config", "user.email", "ada@example.org")
    page = ask("GET", "/", Cookie=cookie).text
    assert "read only" in page
    token = page.partition('value="')[2].partition('"')[0]
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own(fleet)}
    for path in ("/act", "/edit", "/edit/check", "/new/write", "/new/import"):
        answer = ask("POST", path, f"verb=stop&server=a&form_token={token}", Cookie=cookie, **kind)
        assert answer.status == 403, path
        assert "can only look" in answer.text


def test_markup_stays_text(fleet: Machine, ask: Ask) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    fleet.write("servers.d/evil.yaml", "\n".join([
        f"image: {fleet.image}", "desired: stopped", f"command: [{json.dumps(evil)}]",
        f"labels: {{team: {json.dumps(evil)}}}", f"env: {{HTML: {json.dumps(evil)}}}",
    ]))
    fleet.push(f"evil {evil}")
    cookie = login(fleet, ask)
    for path in ("/", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/servers/evil",
                 "/?label=%22%3E%3Cscript%3E", "/servers/%3Cscript%3E"):
        text = ask("GET", path, Cookie=cookie).text
        assert "<script>alert" not in text, path
        assert "<img" not in text, path
        assert "Ada <i>" not in text, path


def test_a_taken_port_is_told_and_the_fleet_goes_on(
    fleet: Machine, tmp_path: Path, docker_api: docker.APIClient, image: str
) -> None:
    other = Machine(tmp_path, docker_api, image)
    other.page = fleet.page
    try:
        other.init()
        other.up()
        assert "cannot listen on 127.0.0.1" in other.said()
        assert "--no-web" in other.said()
        assert "serves no web page" in other.zedops("web", code=1).stderr
        assert other.zedops("list").returncode == 0
    finally:
        other.tear_down()
