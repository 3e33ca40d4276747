"""Share links: they show servers to a person without a login, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.machine import Machine
from tests.web.test_refusals import login, own
from zedops.web.shares import Shares

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]


def share(fleet: Machine, *said: str) -> str:
    """Make a link; returns its path."""
    return fleet.zedops("web", "share", *said).stdout.strip().removeprefix(own(fleet))


@pytest.fixture(autouse=True, scope="module")
def _servers(fleet: Machine) -> None:
    for name in ("quay", "vault"):
        fleet.write(f"servers.d/{name}.yaml", f"image: {fleet.image}\ndesired: stopped\n"
                                              "env: {TOKEN_OF_GAME: hush}\n")
    fleet.push("two servers")
    fleet.wait_for(lambda: all(fleet.state(name).get("id") for name in ("quay", "vault")))


def test_a_link_shows_servers_and_opens_nothing_else(fleet: Machine, ask: Ask) -> None:
    path = share(fleet)
    page = ask("GET", path)
    assert page.status == 200
    assert {"quay", "vault"} <= set(re.findall(r">(\w+)</th>", page.text))
    assert page.headers["Set-Cookie"] is None, "a link is no session"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    for kept in ("hush", "TOKEN_OF_GAME", fleet.image, "/logs", "/act", "form"):
        assert kept not in page.text, kept
    for private in ("/", "/servers/quay", "/live", "/logs?server=quay", "/share"):
        assert ask("GET", private).status == 401, private
    assert ask("POST", path, Origin=own(fleet)).status == 405
    assert "of ada@example.org is used from 127.0.0.1" in fleet.said()


def test_a_link_of_one_server_shows_no_other(fleet: Machine, ask: Ask) -> None:
    page = ask("GET", share(fleet, "--server", "quay", "--for", "1h"))
    assert "quay" in page.text
    assert "vault" not in page.text
    assert "no server 'nosuch'" in fleet.zedops(
        "web", "share", "--server", "nosuch", code=1).stderr


def test_a_link_that_is_forged_old_or_revoked_shows_nothing(fleet: Machine, ask: Ask) -> None:
    assert "60 s to 30 d" in fleet.zedops("web", "share", "--for", "31d", code=1).stderr
    path = share(fleet)
    shares = Shares(fleet.hub / "zedops" / "web")
    gone = shares._signer().dumps(["a", "ada@example.org", None, 5])
    forged = Shares(fleet.folder / "elsewhere").make("ada@example.org", None, 60)
    for wrong in (f"/share/{gone}", forged, path[:-3], path + "A" * 700, "/share/x.y"):
        answer = ask("GET", wrong)
        assert (answer.status, answer.text) == (
            403, "this share link has ended, was revoked, or is none\n")
    cookie = login(fleet, ask)
    assert "all share links" in fleet.zedops("web", "share", "--revoke-all").stdout
    assert ask("GET", path).status == 403
    assert ask("GET", share(fleet)).status == 200, "new ones work"
    assert ask("GET", "/", Cookie=cookie).status == 200, "sessions go on"


def test_the_page_makes_links_for_people_with_the_right_to_settings(
    fleet: Machine, ask: Ask
) -> None:
    cookie = login(fleet, ask)
    form = ask("GET", "/share?server=quay", Cookie=cookie)
    token = form.text.partition('name="form_token" value="')[2].partition('"')[0]
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own(fleet)}
    body = "server=quay&for=1h&form_token="
    assert ask("POST", "/share", f"{body}guess", Cookie=cookie, **kind).status == 403
    made = ask("POST", "/share", f"{body}{token}", Cookie=cookie, **kind)
    link = re.search(re.escape(own(fleet)) + r"(/share/[^<\s]+)", made.text)
    assert link is not None, made.text
    assert "quay" in ask("GET", link[1]).text
    odd = ask("POST", "/share", f"server=&for=99d&form_token={token}", Cookie=cookie, **kind)
    assert odd.status == 409
