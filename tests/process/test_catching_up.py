"""A restored snapshot is brought up to a later one: the result is that of a whole restore."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from zedops_agent.backup.catching_up import MOST, catch_up, sort_out
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import ResticFailed

pytestmark = pytest.mark.usefixtures("restic")


def looks(top: Path) -> dict[str, tuple[object, ...]]:
    """Describe every entry: kind, mode, owner, content, and the time of files."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        facts = path.lstat()
        content: object = path.readlink() if path.is_symlink() else (
            path.read_bytes() if path.is_file() else "")
        at = facts.st_mtime_ns if path.is_file() and not path.is_symlink() else 0
        found[str(path.relative_to(top))] = (facts.st_mode, facts.st_uid, facts.st_gid, content, at)
    return found


def make_world(top: Path) -> None:
    (top / "a b" / "deep").mkdir(parents=True)
    (top / "gone" / "deeper").mkdir(parents=True)
    (top / "a b" / "odd[*]?\\name").write_text("one")
    (top / "a b" / "deep" / "stays").write_text("stays")
    (top / "gone" / "deeper" / "file").write_text("x")
    (top / "mode").write_text("m")
    (top / "turns").symlink_to("elsewhere")
    (top / "folder").mkdir()
    (top / "folder" / "in").write_text("x")
    (top / "other").mkdir()


def change_world(top: Path) -> None:
    (top / "a b" / "odd[*]?\\name").write_text("another")
    shutil.rmtree(top / "gone")
    (top / "mode").chmod(0o4711)
    (top / "turns").unlink()
    (top / "turns").mkdir()
    (top / "turns" / "new").write_text("n")
    shutil.rmtree(top / "folder")
    (top / "folder").write_text("a file now")
    (top / "other").chmod(0o3770)
    (top / "sock").symlink_to("/etc/passwd")
    (top / "empty").mkdir(mode=0o750)
    if os.geteuid() == 0:
        os.chown(top / "other", 12, 34)


def test_it_ends_as_a_whole_restore_does(tmp_path: Path) -> None:
    world, about = tmp_path / "w[1]", tmp_path / "about.json"
    world.mkdir()
    make_world(world)
    about.write_text("1")
    opened = Restic(str(tmp_path / "r"), tmp_path / "cache", {"RESTIC_PASSWORD": "x"})
    opened.init()
    paths = (str(world), str(about))
    base = opened.backup(paths, ("zedops",), (), None, lambda _: None).snapshot
    change_world(world)
    about.write_text("2")
    last = opened.backup(paths, ("zedops",), (), base, lambda _: None).snapshot
    one, other = tmp_path / "one", tmp_path / "other"
    for each in (one, other):
        each.mkdir()
    opened.restore(base, one, paths)
    catch_up(opened, base, last, one, (str(world),), str(about))
    opened.restore(last, other, paths)
    assert looks(one / str(world).lstrip("/")) == looks(other / str(world).lstrip("/"))
    assert (one / str(about).lstrip("/")).read_text() == "2"
    assert looks(world) == looks(one / str(world).lstrip("/"))


def test_a_world_that_changed_too_much_is_not_caught_up(tmp_path: Path) -> None:
    class Changed(Restic):
        def differences(self, one: str, other: str) -> dict[str, str]:
            return {f"/w/{each}": "M" for each in range(MOST + 1)}

    with pytest.raises(ResticFailed, match="too much differs"):
        catch_up(Changed("r", tmp_path), "a", "b", tmp_path, ("/w",), "/about")


def test_only_what_is_in_the_volumes_counts() -> None:
    found = sort_out({"/": "U", "/srv/": "U", "/srv/w/": "U", "/srv/w2/x": "M", "/srv/w/x": "TU",
                      "/srv/w/y": "-", "/about.json": "M"}, ("/srv/w",))
    assert (found.directories, found.restored, found.removed) == (
        ["/srv/w"], ["/srv/w/x"], ["/srv/w/x", "/srv/w/y"]
    )
