"""Sessions, logins and places by themselves: no fleet and no browser."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from zedops.web import session_key
from zedops.web.guesses import FAILURES, Guesses
from zedops.web.place import Place
from zedops.web.sessions import Session, Sessions
from zedops.web.tickets import Person, Tickets

ANN = Person("Ann", "ann@example.org")


def begun(sessions: Sessions) -> str:
    answer = Response()
    sessions.begin(answer, ANN, "link")
    return answer.headers["set-cookie"].partition(";")[0]


def read(sessions: Sessions, cookie: str) -> Session | None:
    headers = [(b"cookie", cookie.encode())]
    return sessions.read(HTTPConnection({"type": "http", "headers": headers}))


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "web", Place("127.0.0.1", None))


def test_a_session_ends_some_time_after_the_login_and_after_the_last_request(
    sessions: Sessions,
) -> None:
    cookie = begun(sessions)
    found = read(sessions, cookie)
    assert found is not None
    assert found.person == ANN
    sessions.idle_s = -1
    assert read(sessions, cookie) is None
    sessions.idle_s, sessions.session_s = 3600, -1
    assert read(sessions, cookie) is None
    sessions.session_s = 3600
    assert read(sessions, cookie) == found


def test_a_request_renews_a_session_but_never_past_its_end(sessions: Sessions) -> None:
    now = time.time()
    old = Session("x", ANN, "link", now - 5000, now - 600)
    answer = Response()
    assert sessions.renew(answer, old)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    again = read(sessions, cookie)
    assert again is not None
    assert again.begun == old.begun
    assert again.seen > now - 60
    assert not sessions.renew(Response(), again), "a cookie is not made with each request"
    sessions.session_s = 4000
    assert read(sessions, cookie) is None


def test_a_session_outlives_a_restart_and_its_end_does_too(
    sessions: Sessions, tmp_path: Path
) -> None:
    kept, ended = begun(sessions), begun(sessions)
    session = read(sessions, ended)
    assert session is not None
    sessions.end(Response(), session)
    later = Sessions(tmp_path / "web", Place("127.0.0.1", None))
    assert read(later, kept) is not None
    assert read(later, ended) is None


def test_a_new_key_ends_every_session_of_a_page_that_runs(
    sessions: Sessions, tmp_path: Path
) -> None:
    cookie = begun(sessions)
    session_key.change(tmp_path / "web")
    assert read(sessions, cookie) is None
    assert read(sessions, begun(sessions)) is not None


def test_keys_are_the_managers_users_alone(sessions: Sessions, tmp_path: Path) -> None:
    key = tmp_path / "web" / "key"
    cookie = begun(sessions)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    key.chmod(0o644)
    assert read(sessions, cookie) is not None
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_text("short")
    assert read(sessions, cookie) is None, "a damaged key signs nothing"
    assert len(key.read_bytes()) >= 32


def test_over_tls_no_other_host_can_set_the_cookie(tmp_path: Path) -> None:
    sessions, answer = Sessions(tmp_path, Place("127.0.0.1", "https://fleet.example")), Response()
    sessions.begin(answer, ANN, "link")
    assert answer.headers["set-cookie"].startswith("__Host-zedops-")
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(("address", "url", "plain", "takes"), [
    ("127.0.0.1", None, False, True),
    ("127.0.0.1", "http://localhost:8484", False, True),
    ("127.0.0.1", "https://fleet.example", False, True),
    ("127.0.0.1", "http://fleet.lan", False, False),
    ("127.0.0.1", "http://fleet.lan", True, True),
    ("0.0.0.0", None, False, False),  # noqa: S104
    ("0.0.0.0", None, True, True),  # noqa: S104
    ("192.0.2.1", "https://fleet.example", False, True),
    ("::", "http://localhost", False, False),
])  # fmt: skip
def test_logins_need_tls_or_the_same_machine(
    address: str, url: str | None, plain: bool, takes: bool
) -> None:
    place = Place(address, None)
    place.follow(url, plain_http=plain)
    assert place.takes_logins is takes


@pytest.mark.parametrize(("host", "knows"), [
    ("fleet.example", True), ("FLEET.example", True), ("localhost:1", True), ("[::1]:5", True),
    ("evil.example", False), ("fleet.example.evil.example", False), ("10.0.0.1", False),
    ("", False), ("[", False), ("fleet.example:99", False),
])  # fmt: skip
def test_a_page_answers_to_its_own_names(host: str, knows: bool) -> None:
    assert Place("127.0.0.1", "https://fleet.example").knows(host) is knows


@pytest.mark.parametrize(("origin", "host", "own"), [
    ("https://fleet.example", "fleet.example", True),
    ("https://fleet.example", "127.0.0.1:8484", True),  # the proxy put its own Host
    ("http://127.0.0.1:8484", "127.0.0.1:8484", True),
    ("https://evil.example", "127.0.0.1:8484", False), ("null", "null", False), ("[", "[", False),
])  # fmt: skip
def test_a_form_comes_from_the_page_itself(origin: str, host: str, own: bool) -> None:
    assert Place("127.0.0.1", "https://fleet.example").is_own(origin, host) is own


def test_guesses_from_one_address_stop_no_other() -> None:
    guesses = Guesses()
    for _ in range(FAILURES):
        assert not guesses.are_too_many("192.0.2.1")
        guesses.note("192.0.2.1")
    assert guesses.are_too_many("192.0.2.1")
    assert not guesses.are_too_many("192.0.2.2")


def test_a_link_leads_where_the_command_line_says_else_the_fleet() -> None:
    assert Tickets("http://127.0.0.1:8484").link("a", "b").startswith("http://127.0.0.1:8484/")
    fleet = Tickets("http://127.0.0.1:8484").link("a", "b", "https://fleet.example")
    assert fleet.startswith("https://fleet.example/login/")
    said = Tickets("http://127.0.0.1:8484", "https://said.example")
    assert said.link("a", "b", "https://fleet.example").startswith("https://said.example/login/")
