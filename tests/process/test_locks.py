"""A lock is worth what its file is: a removed one is put back, a replaced one is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zedops.errors import ZedopsError
from zedops.system.locks import Lock, holder
from zedops_agent.store import Store

_HOLD = """\
import sys
from pathlib import Path
from zedops.system.locks import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.holds()
    with pytest.raises(BlockingIOError):
        Lock(tmp_path / "lock")
    lock.release()
    assert not lock.holds()
    Lock(tmp_path / "lock").release()


def test_a_lock_that_was_removed_is_put_back(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    assert lock.holds()
    with pytest.raises(BlockingIOError):
        Lock(tmp_path / "lock")
    lock.release()


def test_a_lock_that_another_took_meanwhile_is_lost(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    second = Lock(tmp_path / "lock")
    assert not first.holds()
    assert second.holds()
    second.release()
    first.release()


def test_a_lock_whose_disk_is_away_is_nobody_elses(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    lock = Lock(home / "lock")
    home.rename(tmp_path / "away")
    assert lock.holds()
    assert not home.exists()
    lock.release()


@pytest.mark.parametrize("kind", ["directory", "link", "open to all"])
def test_whatever_is_in_the_place_of_a_lock_it_is_this_users_alone(
    tmp_path: Path, kind: str
) -> None:
    path, victim = tmp_path / "lock", tmp_path / "victim"
    victim.write_text("mine")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(victim)
    else:
        path.touch(0o666)
    lock = Lock(path)
    assert path.is_file()
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert victim.stat().st_mode & 0o777 == 0o644 & ~_umask()
    lock.release()


def test_a_message_names_the_process_that_holds_it(tmp_path: Path) -> None:
    home = tmp_path / "agent" / "f"
    home.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(home / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert holder(home / "lock") == f" (process {other.pid})"
        with pytest.raises(ZedopsError, match=rf"process {other.pid}\) works in"):
            Store(tmp_path, "f")
        other.communicate(b"")


def test_an_agent_that_lost_its_place_says_who_has_it(tmp_path: Path) -> None:
    first = Store(tmp_path, "f")
    (tmp_path / "agent/f/lock").unlink()
    second = Store(tmp_path, "f")
    assert not first.holds()
    assert f"(process {os.getpid()})" in first.taken
    assert "this one ends" in first.taken
    second.close()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
