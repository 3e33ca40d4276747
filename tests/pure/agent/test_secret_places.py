"""Secrets as files lie in a directory of this user's own, whatever others made beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pure.fleets import server_id
from zedops_agent import secret_files

ID = server_id(1)
V1 = "0123456789abcdef"
OWN = f"{secret_files.TOP}-{os.geteuid()}"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a place that stands for /dev/shm, which everybody may write to."""
    monkeypatch.setattr(secret_files, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(secret_files, "_memory", lambda: tmp_path)
    return tmp_path


def test_a_user_has_a_directory_of_its_own(memory: Path) -> None:
    where = secret_files.place("fleet", ID, V1)
    assert where == memory / OWN / "fleet" / ID / V1
    secret_files.fill(where, {"TOKEN": "x"}, os.geteuid())
    assert (memory / OWN).stat().st_mode & 0o777 == 0o700
    assert secret_files.place("fleet", ID, V1) == where


def test_what_others_made_first_is_in_nobodys_way(memory: Path) -> None:
    for name in (secret_files.TOP, OWN):
        (memory / name).mkdir(mode=0o755)  # not this user's alone
        (memory / name / "fleet").mkdir()
    where = secret_files.place("fleet", ID, V1)
    assert where.parents[2] == memory / f"{OWN}-2"
    secret_files.fill(where, {"TOKEN": "x"}, os.geteuid())
    secret_files.forget("fleet", ID)
    assert not where.exists()
    assert (memory / secret_files.TOP / "fleet").is_dir()


def test_a_link_is_not_taken_for_a_directory(memory: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir(mode=0o700)
    (memory / OWN).symlink_to(tmp_path / "victim")
    assert secret_files.place("fleet", ID, V1).parents[2] == memory / f"{OWN}-2"


def test_a_directory_of_an_earlier_release_is_used_while_it_is_there(memory: Path) -> None:
    (memory / secret_files.TOP).mkdir(mode=0o700)
    where = secret_files.place("fleet", ID, V1)
    assert where.parents[2] == memory / secret_files.TOP
    secret_files.fill(where, {"TOKEN": "x"}, os.geteuid())
    secret_files.remove("fleet", ID, str(where))
    assert not where.exists()
    assert (memory / secret_files.TOP).is_dir()


def test_only_a_servers_own_place_is_removed(memory: Path) -> None:
    mine = memory / OWN / "fleet" / ID / V1
    other = memory / OWN / "fleet" / server_id(2) / V1
    strange = memory / "elsewhere" / secret_files.TOP / "fleet" / ID / V1
    (memory / OWN).mkdir(mode=0o700)
    for each in (mine, other, strange):
        each.mkdir(parents=True)
        secret_files.remove("fleet", ID, str(each))
    assert [each.is_dir() for each in (mine, other, strange)] == [False, True, True]
    secret_files.remove("fleet", ID, str(mine.parent / ".."))
    assert other.is_dir()


def test_a_user_who_may_not_look_forgets_nothing_and_fails_at_nothing(memory: Path) -> None:
    closed = memory / secret_files.TOP
    closed.mkdir(mode=0o755)
    (closed / "fleet" / ID).mkdir(parents=True)
    closed.chmod(0o077)
    secret_files.forget("fleet", ID)
    closed.chmod(0o700)
    assert (closed / "fleet" / ID).is_dir()
