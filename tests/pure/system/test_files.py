"""A small file is written whole or not at all, whatever somebody who was killed left beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zedops.system import files


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 300_000])
def test_a_file_is_read_as_it_was_written(tmp_path: Path, size: int) -> None:
    path, content = tmp_path / "kept.json", os.urandom(size)
    files.write(path, b"before")
    files.write(path, content)
    assert files.read(path) == content
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_more_is_read_than_somebody_wants(tmp_path: Path) -> None:
    path = tmp_path / "grown"
    path.write_bytes(b"x" * 1_000_000)
    assert 100 <= len(files.read(path, 100)) < 100_000


def test_nobody_is_waited_for_who_may_write(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(IsADirectoryError):  # it is no empty file either
        files.read(path)


def test_what_is_beside_it_is_never_written_into(tmp_path: Path) -> None:
    path, victim = tmp_path / "key", tmp_path / "victim"
    victim.write_bytes(b"mine")
    path.with_name("key.new").symlink_to(victim)
    files.write(path, b"secret")
    assert (path.read_bytes(), victim.read_bytes()) == (b"secret", b"mine")


def test_a_directory_in_the_way_is_set_aside_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    files.write(path, b"before")
    (tmp_path / "kept.new").mkdir()
    (tmp_path / "kept.new" / "mine").touch()
    files.write(path, b"after")
    assert path.read_bytes() == b"after"
    assert [each.name for each in tmp_path.glob("kept.new.damaged-*/*")] == ["mine"]


def test_what_was_there_stays_where_the_new_one_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write(path, b"after")
    assert path.is_dir()


def test_what_is_set_aside_twice_in_a_second_is_kept_twice(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for content in (b"one", b"two"):
        files.write(path, content)
        files.set_aside(path)
    assert {each.read_bytes() for each in tmp_path.iterdir()} == {b"one", b"two"}


def test_the_mode_that_a_file_is_written_with_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    path, before = tmp_path / "hook", os.umask(0o077)
    try:
        files.write(path, b"#!/bin/sh\n", 0o755)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o755
