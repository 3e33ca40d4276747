"""The authority's directory: killed, damaged, or met by another process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.nats.clients import new_host
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Role
from zedops.bus.nats.private_files import PrivateDirectory
from zedops.errors import ZedopsError
from zedops.system import failpoints

pytestmark = pytest.mark.nats
ROOT = Path(__file__).parents[2]
#: Does one thing to the authority in a process that can be killed.
_ACT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
authority = Authority.open(Path(sys.argv[1]))
if sys.argv[2] == "revoke":
    authority.revoke("attic", datetime.now(UTC))
if sys.argv[2] == "issue":
    for number in range(1_000_000):
        key = jwt.public_key(jwt.new_seed(jwt.Role.USER))
        authority.issue(f"host-{number}", key, datetime.now(UTC))
        print(key, flush=True)
"""


def killed_at(point: str, folder: Path, act: str) -> None:
    """Have a process act until it is killed at a point."""
    ended = subprocess.run(
        [sys.executable, "-c", _ACT, str(folder), act], cwd=ROOT, check=False,
        env={**os.environ, failpoints.VARIABLE: point},
    )
    assert ended.returncode == -signal.SIGKILL


def identity(authority: Authority) -> tuple[str, str]:
    return authority.account, authority.ca_pem


def test_opening_twice_is_opening_once(authority: Authority) -> None:
    kept = {each: each.read_bytes() for each in authority.folder.iterdir()}
    again = Authority.open(authority.folder)
    assert identity(again) == identity(authority)
    assert again.manager_credentials() == authority.manager_credentials()
    assert {each: each.read_bytes() for each in authority.folder.iterdir()} == kept


@pytest.mark.parametrize("point", ["authority.keys", "authority.ca"])
def test_kill_9_while_it_is_made_leaves_what_the_next_completes(point: str, tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    killed_at(point, folder, "open")
    kept = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert "keys.json" in kept
    opened = Authority.open(folder)
    opened.server_files(["localhost"], datetime.now(UTC))
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_what_a_killed_writer_left_half_written_is_never_read(authority: Authority) -> None:
    new_host(authority, "attic")
    for name in ("keys.json", "ca-private.pem", "roll.json", "accounts.conf", "server-private.pem"):
        left = authority.folder / f"{name}.new"
        left.write_text('{"half')
        left.chmod(0o644)
    reopened = Authority.open(authority.folder)
    reopened.server_files(["localhost"], datetime.now(UTC))
    new_host(reopened, "cellar")
    assert set(reopened.hosts()) == {"attic", "cellar"}
    assert identity(reopened) == identity(authority)
    for name in ("roll.json", "server-private.pem"):
        assert stat.S_IMODE((authority.folder / name).stat().st_mode) == 0o600
        assert not (authority.folder / f"{name}.new").exists()


def test_a_revocation_that_was_cut_short_holds_after_the_next_start(authority: Authority) -> None:
    new_host(authority, "attic")
    key = authority.hosts()["attic"].public_key
    before = authority.server_files(["localhost"], datetime.now(UTC)).accounts.read_bytes()
    killed_at("authority.roll", authority.folder, "revoke")
    reopened = Authority.open(authority.folder)
    assert (authority.folder / "accounts.conf").read_bytes() == before
    after = reopened.server_files(["localhost"], datetime.now(UTC)).accounts.read_bytes()
    assert after != before
    assert key in (authority.folder / "roll.json").read_text()
    assert reopened.hosts() == {}


@pytest.mark.parametrize("answers", [1, 7, 20])
def test_whoever_was_answered_is_in_whenever_it_is_killed(answers: int, tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    with subprocess.Popen(
        [sys.executable, "-c", _ACT, str(folder), "issue"], cwd=ROOT,
        stdout=subprocess.PIPE, text=True,
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(answers)]
        process.kill()
        told += process.stdout.read().split()
    kept = Authority.open(folder).hosts()
    assert [kept[f"host-{number}"].public_key for number in range(len(told))] == told
    assert len(kept) - len(told) in (0, 1)  # one may be in that was not told


def test_many_that_open_it_first_share_one_authority(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: Authority.open(folder), range(8)))
    assert len({identity(each) for each in opened}) == 1


def test_many_that_join_at_once_are_all_let_in(authority: Authority) -> None:
    names = [f"host-{number}" for number in range(24)]

    def join(name: str) -> None:
        new_host(Authority.open(authority.folder), name)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(join, names))
    assert sorted(authority.hosts()) == sorted(names)


@pytest.mark.parametrize("name", ["keys.json", "ca-private.pem", "roll.json"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 2}', b"\xff\xfe"])
def test_a_damaged_file_stops_and_is_named(name: str, content: bytes, authority: Authority) -> None:
    new_host(authority, "attic")
    (authority.folder / name).write_bytes(content)
    with pytest.raises(ZedopsError, match=rf"{name} is damaged, or of a newer zedops; restore it"):
        Authority.open(authority.folder)
    assert (authority.folder / name).read_bytes() == content


def test_a_directory_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    folder.mkdir(mode=0o755)
    Authority.open(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZedopsError, match=r"cannot use .*; make it a directory"):
        Authority.open(tmp_path / "file")
    vault = PrivateDirectory(tmp_path / "vault")
    (tmp_path / "vault" / "keys.json").mkdir()
    with pytest.raises(ZedopsError, match=r"cannot read .*keys\.json"):
        vault.read_file("keys.json")
    with pytest.raises(ZedopsError, match=r"cannot write .*keys\.json"):
        vault.write("keys.json", b"{}")


def test_no_key_shows_in_what_is_printed(authority: Authority) -> None:
    shown = repr(authority._keys) + repr(authority.manager_credentials())
    for seed in (authority._keys.operator, authority._keys.scoped, authority._keys.manager):
        assert seed not in shown


def test_keys_know_what_they_are_for() -> None:
    for role, letter in ((Role.OPERATOR, "O"), (Role.ACCOUNT, "A"), (Role.USER, "U")):
        seed = jwt.new_seed(role)
        assert seed[:2] == f"S{letter}"
        assert jwt.public_key(seed)[0] == letter
        assert len(jwt.public_key(seed)) == 56
    for bad in ("", "S", "UABC", jwt.public_key(jwt.new_seed(Role.USER)), "é"):
        with pytest.raises(ZedopsError, match="not a private key"):
            jwt.public_key(bad)
