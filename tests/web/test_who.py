"""Who a request is from, and what the fleet lets them do: over HTTP, without a browser."""

from __future__ import annotations

import http.client
import re
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.machine import Machine, free_port
from tests.web.conftest import link
from tests.web.test_refusals import login, own

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]
PROXY = "{logins: [link, proxy], proxy: {addresses: [127.0.0.1]}}"
ANN = {"Remote_Email": "ann@example.org", "Remote_Name": "Ann"}


@contextmanager
def settings(fleet: Machine, web: str) -> Iterator[None]:
    """Give the fleet a `web:` for a while; the page follows within a moment."""
    path = fleet.clone / "zedops.yaml"
    before = path.read_text()
    shown = login_page(fleet)
    put(fleet, f"{before}web: {web}\n")
    try:
        yield
    finally:
        put(fleet, before)
        fleet.wait_for(lambda: login_page(fleet) == shown)


def login_page(fleet: Machine) -> str:
    """Read the login page, which names the ways in."""
    with closing(http.client.HTTPConnection("127.0.0.1", fleet.page or 0, timeout=20)) as sent:
        sent.request("GET", "/login", headers={"Host": f"127.0.0.1:{fleet.page}"})
        with sent.getresponse() as answer:
            return f"{answer.status}\n{answer.read().decode()}"


def put(fleet: Machine, text: str) -> None:
    fleet.write("zedops.yaml", text)
    fleet.push("settings of the page")


def soon(fleet: Machine, look: Callable[[], Any], *statuses: int) -> Any:
    """Ask until the page follows the settings; returns that answer."""
    found: list[Any] = []

    def is_there() -> bool:
        found.append(look())
        return found[-1].status in statuses

    fleet.wait_for(is_there)
    return found[-1]


def test_a_proxy_says_who_a_person_is_and_no_other_machine_does(
    fleet: Machine, ask: Ask
) -> None:
    assert ask("GET", "/", **ANN).status == 401, "headers count for nothing without settings"
    with settings(fleet, PROXY):
        page = soon(fleet, lambda: ask("GET", "/", **ANN), 200)
        assert "<span>Ann</span>" in page.text
        assert page.headers["Set-Cookie"] is None, "the proxy says it with each request"
        other = ask("GET", "/", source="127.0.0.2", **ANN)
        fact = "Remote-Email comes from 127.0.0.2, which is not in web.proxy.addresses"
        assert (other.status, other.text) == (401, f"{fact}\n")
        assert f"refused GET '/' from 127.0.0.2: {fact}" in fleet.said()
        assert ask("GET", "/").status == 401
        assert "is there twice" in ask_twice(fleet)
        markup = ask("GET", "/", Remote_Email="x@y", Remote_Name="<script>=?utf-8?q?=3Cb=3E?=")
        assert "<script>=" not in markup.text
        assert "<b>" not in markup.text
        token = re.search(r'name="form_token" value="(\w+)"', page.text)
        assert token is not None
        foreign = ask("POST", "/logout", f"form_token={token[1]}", Origin="https://evil.example",
                      **ANN)
        assert foreign.status == 403
    soon(fleet, lambda: ask("GET", "/", **ANN), 401)


def ask_twice(fleet: Machine) -> str:
    """Send two addresses at once; returns what the page says."""
    with closing(http.client.HTTPConnection("127.0.0.1", fleet.page or 0, timeout=20)) as sent:
        sent.putrequest("GET", "/")
        for each in ("ann@example.org", "eve@example.org"):
            sent.putheader("Remote-Email", each)
        sent.endheaders()
        with sent.getresponse() as answer:
            return answer.read().decode()


def test_a_page_without_a_way_in_shows_the_login_page_alone(fleet: Machine, ask: Ask) -> None:
    path = link(fleet).removeprefix(own(fleet))
    before = login_page(fleet)
    with settings(fleet, "{logins: [proxy], proxy: {addresses: [192.0.2.1]}}"):
        fleet.wait_for(lambda: login_page(fleet) != before)  # a try before that would use the link
        refused = ask("POST", path, Origin=own(fleet))
        assert refused.status == 403
        assert "takes no login by link" in refused.text
        assert ask("GET", "/login").status == 200
        for private in ("/", "/servers/a", "/live"):
            assert ask("GET", private).status == 401


def test_over_plain_http_no_login_is_taken_unless_the_fleet_says_so(
    fleet: Machine, ask: Ask
) -> None:
    with settings(fleet, "{url: 'http://fleet.lan', proxy: {addresses: [127.0.0.1]},"
                         " logins: [link, proxy]}"):
        path = soon_link(fleet, "http://fleet.lan")
        refused = ask("POST", path, Host="fleet.lan", Origin="http://fleet.lan")
        assert refused.status == 403
        assert "reached without TLS, so it takes no logins" in refused.text
        assert "without TLS" in ask("GET", "/login", Host="fleet.lan").text
        assert ask("GET", "/", Host="fleet.lan", **ANN).status == 401, "nor by a proxy"
    with settings(fleet, "{url: 'http://fleet.lan', plain_http: true}"):
        path = soon_link(fleet, "http://fleet.lan")
        done = soon(fleet, lambda: ask("POST", path, Host="fleet.lan", Origin="http://fleet.lan"),
                    303)
        assert done.headers["Set-Cookie"]


def soon_link(fleet: Machine, url: str) -> str:
    """Get a link of the page's URL, once the manager knows it; returns its path."""
    fleet.wait_for(lambda: link(fleet).startswith(url))
    return link(fleet).removeprefix(url)


def test_a_person_without_rights_reads_only(fleet: Machine, ask: Ask) -> None:
    path = fleet.clone / "zedops.yaml"
    before = path.read_text()
    cookie = login(fleet, ask)
    assert "read only" not in ask("GET", "/", Cookie=cookie).text
    try:
        signing(fleet, fleet.folder / "key")
        put(fleet, f"{before}people: {{boss@example.org: {{may: [change, settings]}}}}\n")
        fleet.wait_for(lambda: "read only" in ask("GET", "/", Cookie=cookie).text)
    finally:
        (fleet.clone / "allowed_signers").unlink(missing_ok=True)
        put(fleet, before)
        fleet.git("config", "--unset", "commit.gpgsign")
    fleet.wait_for(lambda: "read only" not in ask("GET", "/", Cookie=cookie).text)


def signing(fleet: Machine, key: Path) -> None:
    """Let the clone sign as the fleet's boss."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "boss", "-f", str(key)],
                   check=True)
    public = key.with_suffix(".pub").read_text().strip()
    fleet.write("allowed_signers", f'boss@example.org namespaces="git" {public}\n')
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", str(key)),
                        ("commit.gpgsign", "true")):
        fleet.git("config", name, value)


def test_all_sessions_end_at_once_also_open_streams(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    with closing(http.client.HTTPConnection("127.0.0.1", fleet.page or 0, timeout=60)) as stream:
        stream.request("GET", "/live", headers={"Cookie": cookie})
        with stream.getresponse() as answer:
            assert answer.status == 200
            assert "all sessions" in fleet.zedops("web", "--end-sessions").stdout
            ended = ask("GET", "/", Cookie=cookie)
            assert (ended.status, ended.text) == (
                401, "this session ended, or is none; log in again\n")
            fleet.write("servers.d/fresh.yaml", f"image: {fleet.image}\ndesired: stopped\n")
            fleet.push("news for the stream")
            while answer.readline():
                pass
    key = fleet.hub / "zedops" / "web" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_session_survives_a_restart_of_the_manager(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    fleet.down()
    fleet.up()
    assert ask("GET", "/", Cookie=cookie).status == 200


def test_five_hundred_streams_that_read_nothing_stop_no_push(fleet: Machine, ask: Ask) -> None:
    cookie = login(fleet, ask)
    request = f"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode()
    held = []
    try:
        for _ in range(500):
            held.append(socket.create_connection(("127.0.0.1", fleet.page or 0), timeout=20))
            held[-1].sendall(request)
        for number in range(3):
            fleet.write("servers.d/crowd.yaml", f"image: {fleet.image}\ndesired: stopped\n"
                                                f"labels: {{n: '{number}'}}\n")
            fleet.push("beside many streams")
        assert ask("GET", "/servers/crowd", Cookie=cookie).status == 200
        fleet.zedops("list")
    finally:
        for each in held:
            each.close()


def test_connections_that_say_nothing_leave_room_for_the_fleet(fleet: Machine, ask: Ask) -> None:
    held = [socket.create_connection(("127.0.0.1", fleet.page or 0), timeout=20)
            for _ in range(1100)]
    try:
        fleet.wait_for(lambda: "refused connections: more than" in fleet.said())
        assert fleet.zedops("list").returncode == 0
        fleet.write("servers.d/silent.yaml", f"image: {fleet.image}\ndesired: stopped\n")
        fleet.push("beside silent connections")
    finally:
        for each in held:
            each.close()
    soon(fleet, lambda: ask("GET", "/login"), 200)


def test_an_open_page_of_a_network_says_that_it_has_no_tls(
    tmp_path: Path, docker_api: docker.APIClient, image: str
) -> None:
    other = Machine(tmp_path, docker_api, image)
    other.page, other.page_address = free_port(), "0.0.0.0"  # noqa: S104
    try:
        other.init()
        other.up()
        assert "without TLS, so it takes logins only where `web:`" in other.said()
        path = "/login/" + link(other).rpartition("/")[2]
        origin = {"Origin": f"http://127.0.0.1:{other.page}"}
        with closing(http.client.HTTPConnection("127.0.0.1", other.page, timeout=20)) as asked:
            asked.request("POST", path, headers=origin)
            with asked.getresponse() as answer:
                assert answer.status == 403
    finally:
        other.tear_down()
