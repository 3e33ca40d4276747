"""Small rules of a fleet with an upstream: when, who, what is shown, what is believed."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import doc, fleet_of, running
from zedops.errors import Problem, UsageError
from zedops.fleet.merge import take_theirs
from zedops.fleet.state_branch import with_states, without_state
from zedops.fleet.trailers import EMAIL
from zedops.git import credentials
from zedops.git.remote import checked_url
from zedops.hub.history import is_own
from zedops.manager import commit_status
from zedops.manager.upstream_timing import UpstreamTiming
from zedops.manager.webhook import is_genuine
from zedops.spec.settings import Settings
from zedops.spec.state_block import MARKER

A, B, GRAVE = "servers.d/a.yaml", "servers.d/b.yaml", "tombstones.d/c.yaml"
URL = "https://git.example:8443/ada/fleet.git"

# --- when


def test_looks_get_rarer_with_every_failure_up_to_a_ceiling() -> None:
    pace = UpstreamTiming(poll_s=30, poll_most_s=300)
    assert [pace.look_at(0, failures) for failures in range(6)] == [30, 60, 120, 240, 300, 300]
    assert UpstreamTiming(poll_s=3600).look_at(0, 9) == 3600


def test_a_push_waits_for_quiet_but_not_for_ever_and_keeps_its_distance() -> None:
    pace = UpstreamTiming(gap_s=10, quiet_s=1)
    assert pace.push_at(began=100, moved=100, pushed=0) == 101
    assert pace.push_at(began=100, moved=108, pushed=0) == 109
    assert pace.push_at(began=100, moved=109.9, pushed=0) == 110
    assert pace.push_at(began=100, moved=100, pushed=99) == 109


@given(st.floats(0, 1e6), st.floats(0, 100), st.floats(0, 1e6), st.floats(0, 60))
def test_two_pushes_are_never_nearer_than_the_gap(
    began: float, further: float, pushed: float, gap: float
) -> None:
    at = UpstreamTiming(gap_s=gap).push_at(began, began + further, pushed)
    assert at >= pushed + gap
    assert at >= began


# --- who


@pytest.mark.parametrize(
    ("committer", "author", "trailers", "own"),
    [
        (EMAIL, EMAIL, "a 01", True),
        ("ada@example.org", EMAIL, "a 01", True),  # rebased by a person
        ("ada@example.org", EMAIL, "", False),  # `zedops init` where git knew nobody
        ("ada@example.org", "ada@example.org", "a 01", False),  # copied from a message
    ],
)
def test_zedops_knows_its_own_commits(
    committer: str, author: str, trailers: str, own: bool
) -> None:
    assert is_own(committer, author, trailers) is own


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_with_nothing_but_a_token_is_for_the_upstream(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "# deploy token\n\n t0ken \n")
    assert credentials.read_secret(path, URL) == credentials.GitLogin("zedops", "t0ken")
    named = credentials.read_secret(path, "https://ada@git.example/x")
    assert named == credentials.GitLogin("ada", "t0ken")
    assert "t0ken" not in repr(named)


def test_of_lines_for_several_servers_only_the_right_one_counts(tmp_path: Path) -> None:
    path = secret_file(
        tmp_path,
        "https://ada:wrong@git.example\nhttps://a%40b:t%2Fken@git.example%3a8443\n",
    )
    assert credentials.read_secret(path, URL) == credentials.GitLogin("a@b", "t/ken")
    with pytest.raises(UsageError, match=r"has no token for other\.example"):
        credentials.read_secret(path, "https://other.example/x")


def test_a_token_that_others_could_read_is_refused(tmp_path: Path) -> None:
    path = secret_file(tmp_path, "t0ken", 0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        credentials.read_secret(path, URL)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(UsageError, match="cannot be read"):
        credentials.read_secret(tmp_path / "nothing", URL)


def test_a_url_with_a_password_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError) as caught:
        checked_url("https://ada:s3cret@git.example/fleet.git")
    assert "s3cret" not in str(caught.value)
    assert "--credentials" in str(caught.value)
    for bad in ("", "-oProxyCommand=x", "https://x\n"):
        with pytest.raises(UsageError):
            checked_url(bad)


def test_whatever_git_says_no_name_or_password_of_a_url_gets_out() -> None:
    said = "fatal: unable to access 'https://ada:s3cret@git.example/x/': and ssh://git@h/x"
    assert credentials.redact(said) == (
        "fatal: unable to access 'https://git.example/x/': and ssh://h/x"
    )


# --- what is believed


BODY, SECRET = b'{"ref": "refs/heads/main"}', b"a long random text"
SIGNED = hmac.new(SECRET, BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "good"),
    [
        ({"X-Hub-Signature-256": f"sha256={SIGNED}"}, True),
        ({"X-Gitea-Signature": SIGNED}, True),
        ({"X-Gitlab-Token": SECRET.decode()}, True),
        ({}, False),
        ({"X-Hub-Signature-256": SIGNED}, False),
        ({"X-Hub-Signature-256": "sha256="}, False),
        ({"X-Hub-Signature-256": "sha256=ÿ"}, False),
        ({"X-Hub-Signature": f"sha1={SIGNED}"}, False),
        # one wrong proof is not made good by another header
        ({"X-Hub-Signature-256": "sha256=0", "X-Gitlab-Token": SECRET.decode()}, False),
    ],
)
def test_a_call_has_to_prove_that_it_knows_the_secret(headers: dict[str, str], good: bool) -> None:
    assert is_genuine(headers, BODY, SECRET) is good
    assert not is_genuine(headers, BODY + b" ", b"another")


# --- what is shown


@pytest.mark.parametrize(
    ("url", "token", "api", "found"),
    [
        ("https://github.com/ada/fleet.git", "t", None, "https://api.github.com ada/fleet"),
        ("git@github.com:ada/fleet.git", "t", None, "https://api.github.com ada/fleet"),
        ("https://git.example/ada/fleet", "t", "https://git.example/api/v1/",
         "https://git.example/api/v1 ada/fleet"),
        ("https://git.example/ada/fleet", "t", None, None),
        ("git@gitlab.com:ada/games/fleet.git", "t", None,
         "https://gitlab.com/api/v4 ada/games/fleet"),
        ("https://codeberg.org/ada/fleet", "t", None, "https://codeberg.org/api/v1 ada/fleet"),
        ("https://git.example/ada/games/fleet", "t", "https://git.example/api/v1", None),
        ("https://gitlab.com/fleet", "t", None, None),
        ("https://github.com/ada/fleet.git", None, None, None),
        ("https://git.example/ada/fleet", "t", "file:///etc", None),
        ("/srv/fleet.git", "t", None, None),
    ],
)
def test_a_forge_is_found_by_its_url(
    url: str, token: str | None, api: str | None, found: str | None
) -> None:
    made = commit_status.find(url, token, api)
    assert (f"{made.api} {made.repository}" if made else None) == found


def test_a_status_is_one_short_line() -> None:
    problem = Problem(A, 3, 1, "image", "is required " * 30)
    assert commit_status.describe(()) == "accepted"
    assert len(commit_status.describe((problem, problem))) == 140
    assert commit_status.describe((problem, problem)).endswith("… (and 1 more)")


# --- two halves


def test_of_a_conflict_that_nobody_can_be_told_of_the_persons_text_stays() -> None:
    ours, theirs = doc(A, "image: a\n", running(1)), b"image: b\n"
    content = f"image: a\n\n{MARKER}\nstate:\n  id: '{ours.id}'\n".encode()
    merged = take_theirs(A, content, theirs)
    assert merged is not None
    assert merged.startswith(b"image: b\n\n" + MARKER.encode())
    assert str(ours.id).encode() in merged
    assert take_theirs(A, content, None) is None
    assert take_theirs(A, None, theirs) == theirs
    assert take_theirs("README.md", b"ours", b"theirs") == b"theirs"


def test_main_and_the_branch_of_states_are_seen_as_one_fleet() -> None:
    settings = Settings(name="fleet", state_branch="zedops-state")
    main = fleet_of(doc(A, "image: new\n"), doc(B, "image: b\n"), settings=settings)
    states = fleet_of(
        doc(A, "image: old\n", running(1)), doc(GRAVE, "image: c\n", running(3)),
        doc("servers.d/held.yaml", "image: d\n", running(4)),
    )
    seen = with_states(main, states)
    assert seen.documents[A].head == "image: new\n"
    assert seen.documents[A].id == running(1).id
    assert seen.documents[B].state is None
    assert {GRAVE, "servers.d/held.yaml"} <= seen.documents.keys()
    assert seen.settings == settings


@given(st.sampled_from(["image: a\n", "# é\r\nimage: a\r\n", "image: a", ""]))
def test_a_definition_without_its_state_is_what_the_person_wrote(head: str) -> None:
    from zedops.spec import state_block

    whole = state_block.render(head, running(1))
    assert without_state(whole).decode().rstrip("\r\n") == head.rstrip("\r\n")


@pytest.mark.parametrize("branch", ["main", "x.lock", "-x", "a..b", "a b", "a//b", "/a", ""])
def test_a_branch_of_states_has_a_name_that_git_takes_and_is_not_main(branch: str) -> None:
    with pytest.raises(ValueError, match="state_branch"):
        Settings(name="fleet", state_branch=branch)
    assert Settings(name="fleet", state_branch="zedops/state.1").state_branch
