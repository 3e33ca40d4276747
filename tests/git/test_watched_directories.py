"""Real directories, really watched: a volume that goes is told of, a world being written is not."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zedops.system.watch import Directories


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Directories]:
    """Watch two servers' directories, a volume in each."""
    for name in ("rosewood", "muldraugh"):
        (tmp_path / name / "world").mkdir(parents=True)
    made = Directories(tmp_path / "rosewood", tmp_path / "muldraugh")
    yield made
    made.close()
    assert made.wait() is None  # which lets go of it


def test_a_volume_that_goes_is_told_and_what_happens_inside_of_one_is_not(
    homes: Directories, tmp_path: Path
) -> None:
    (tmp_path / "rosewood" / "world" / "map.bin").write_bytes(b"x")
    (tmp_path / "rosewood" / "world" / "map.bin").unlink()
    shutil.rmtree(tmp_path / "muldraugh" / "world")
    assert homes.wait() == {tmp_path / "muldraugh"}


def test_what_comes_and_goes_in_several_is_told_at_once(homes: Directories, tmp_path: Path) -> None:
    (tmp_path / "rosewood" / "world").rename(tmp_path / "aside")
    (tmp_path / "muldraugh" / "maps").mkdir()
    assert homes.wait() == {tmp_path / "rosewood", tmp_path / "muldraugh"}


def test_one_that_went_itself_is_told_and_watched_anew_when_it_is_back(
    homes: Directories, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "rosewood")
    assert homes.wait() == {tmp_path / "rosewood"}
    (tmp_path / "rosewood").mkdir()
    homes.add(tmp_path / "rosewood")
    homes.add(tmp_path / "rosewood")  # which changes nothing
    (tmp_path / "rosewood" / "world").mkdir()
    assert homes.wait() == {tmp_path / "rosewood"}


def test_what_was_told_too_fast_counts_as_changed_everywhere(
    homes: Directories, tmp_path: Path
) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(most // 2 + 1):
        (tmp_path / "rosewood" / "a").touch()
        (tmp_path / "rosewood" / "a").unlink()
    told = homes.wait() or set()
    while tmp_path / "muldraugh" not in told:
        told |= homes.wait() or set()
    assert told == {tmp_path / "rosewood", tmp_path / "muldraugh"}


def test_an_end_ends_the_wait(tmp_path: Path) -> None:
    homes = Directories(tmp_path)
    ended = threading.Timer(0.05, homes.close)
    ended.start()
    assert homes.wait() is None
    ended.join()
    homes.close()  # which changes nothing


def test_a_directory_that_is_not_there_or_is_none_cannot_be_watched(
    homes: Directories, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        Directories(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        homes.add(tmp_path / "file")
