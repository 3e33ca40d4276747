"""Volumes whose containers put anything into them: markers that are none, links, great depth."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from tests.pure.fleets import doc, server_id
from zedops.errors import DataAtRisk, EngineFailed, LookOutdated, RootGone
from zedops.spec.model import Definition
from zedops_agent import holdings, markers, removal, volumes
from zedops_agent.markers import MARKER, Owner
from zedops_agent.observed import Presence
from zedops_agent.root import Root

OWNER = Owner(server_id(1), "fleet", "rosewood")


def definition(source: str = "") -> Definition:
    """Ask for one world."""
    place = f"{{path: /data, source: {source}}}" if source else "/data"
    made = doc("servers.d/rosewood.yaml", f"image: a\nvolumes: {{world: {place}}}\n").definition
    assert made is not None
    return made


def made(root: Path) -> Path:
    """Make a server's directories, with a world that holds something."""
    path = volumes.volume_path(root, OWNER.id, "world")
    (root / "servers").mkdir(exist_ok=True)
    volumes.make(root, {"world": path}, OWNER, definition(), "")
    (path / "save.db").write_text("years")
    volumes.make(root, {"world": path}, OWNER, definition(), "")
    return path


def marker_of(path: Path, root: Path) -> Presence:
    """Look at a world's marker."""
    (seen,) = volumes.look(root, {"world": path}, OWNER, definition())
    return seen.marker


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_a_marker_that_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path)
    assert marker_of(path, tmp_path) is Presence.PRESENT
    marker = path / MARKER
    told = tmp_path / "elsewhere"
    told.write_text(marker.read_text())
    marker.unlink()
    if kind == "link":
        marker.symlink_to(told)
    elif kind == "fifo":
        os.mkfifo(marker)
    else:
        marker.mkdir()
    assert marker_of(path, tmp_path) is Presence.FOREIGN


def test_of_claims_at_the_same_moment_one_wins(tmp_path: Path) -> None:
    won: list[int] = []
    together = threading.Barrier(8)

    def claim(number: int) -> None:
        with markers.opened(tmp_path) as folder:
            together.wait()
            try:
                if markers.claim(folder, Owner(server_id(number), "fleet")):
                    won.append(number)
            except (LookOutdated, OSError):
                pass  # it looks again

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) <= 1
    with markers.opened(tmp_path) as folder:
        for number in won:
            assert markers.read(folder, Owner(server_id(number), "fleet")) is Presence.PRESENT


def test_an_empty_directory_has_one_owner_and_carries_no_file(tmp_path: Path) -> None:
    place, link = tmp_path / "disk", tmp_path / "link"
    place.mkdir()
    link.symlink_to(place)
    (tmp_path / "servers").mkdir()
    volumes.make(tmp_path, {"world": place}, OWNER, definition(str(place)), "")
    assert list(place.iterdir()) == []
    (seen,) = volumes.look(tmp_path, {"world": place}, OWNER, definition(str(place)))
    assert (seen.marker, seen.content, seen.beside) == (Presence.PRESENT, Presence.ABSENT, True)
    other = Owner(server_id(2), "fleet", "muldraugh")
    with pytest.raises(DataAtRisk, match="another server's"):
        volumes.make(tmp_path, {"world": link}, other, definition(str(link)), "")
    (place / "save.db").write_text("years")
    with pytest.raises(DataAtRisk, match="another server's"):
        volumes.make(tmp_path, {"world": link}, other, definition(str(link)), "")
    volumes.make(tmp_path, {"world": place}, OWNER, definition(str(place)), "")
    assert (place / MARKER).exists()


def test_a_source_inside_another_servers_world_is_refused(tmp_path: Path) -> None:
    world = made(tmp_path)
    inner = world / "region"
    inner.mkdir()
    other = Owner(server_id(2), "fleet", "muldraugh")
    with pytest.raises(DataAtRisk, match="which is the data of server 'rosewood'"):
        volumes.make(tmp_path, {"world": inner}, other, definition(str(inner)), "")


def test_a_directory_of_any_depth_is_measured_or_not_and_purged(tmp_path: Path) -> None:
    path = made(tmp_path)
    folder = os.open(path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    assert holdings.measure(OWNER.id, "world", path).size_bytes is None
    removal.remove_home(tmp_path, OWNER)
    assert not path.parent.exists()


def test_links_in_a_world_lead_no_purge_and_no_measure_out_of_it(tmp_path: Path) -> None:
    path = made(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("k" * 100)
    (path / "link").symlink_to(outside)
    size = holdings.measure(OWNER.id, "world", path)
    assert size.files == 2
    assert (size.size_bytes or 100) < 100
    removal.remove_home(tmp_path, OWNER)
    assert (outside / "kept").exists()


def test_a_volume_that_is_a_link_is_said_and_purged_once_it_is_gone(tmp_path: Path) -> None:
    path = made(tmp_path)
    elsewhere = tmp_path / "big-disk"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(DataAtRisk, match=r"'world' in it is a link to .*`zedops retry`"):
        removal.remove_home(tmp_path, OWNER)
    assert (elsewhere / "save.db").exists()
    path.unlink()
    removal.remove_home(tmp_path, OWNER)
    assert not path.parent.exists()


def test_what_is_no_directory_that_can_be_looked_at_says_path_and_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (seen,) = volumes.look(tmp_path, {"world": loop}, OWNER, definition(str(loop)))
    assert (seen.marker, seen.content) == (Presence.UNKNOWN, Presence.UNKNOWN)
    assert seen.trouble.startswith(f"cannot look at {loop}: Too many levels of symbolic links; ")


def test_a_data_root_is_marked_once_and_known_again(tmp_path: Path) -> None:
    place, away = tmp_path / "root", tmp_path / "away"
    root = Root(place)
    root.require()
    place.rename(away)
    with pytest.raises(RootGone, match="is its disk mounted"):
        root.require()
    (place / "servers").mkdir(parents=True)
    with pytest.raises(RootGone, match="is its disk mounted"):
        root.require()
    (place / "servers").rmdir()
    place.rmdir()
    away.rename(place)
    root.require()


def test_an_unmarked_data_root_is_new_only_if_nothing_speaks_against_it(tmp_path: Path) -> None:
    with pytest.raises(RootGone, match="server 'a' has data there"):
        Root(tmp_path, lambda: "server 'a' has data there").require()
    assert list(tmp_path.iterdir()) == []
    told = tmp_path / "told" / "servers"
    told.mkdir(parents=True)
    (told / ".zedops-root.json").touch()  # a person says that the disk is lost
    Root(tmp_path / "told", lambda: "server 'a' has data there").require()
    (tmp_path / "servers" / OWNER.id).mkdir(parents=True)  # of an earlier release
    Root(tmp_path, lambda: "server 'a' has data there").require()


def test_worlds_are_closed_to_other_users_and_what_was_open_is_mended(tmp_path: Path) -> None:
    place = tmp_path / "root"
    home = place / "servers" / OWNER.id
    home.mkdir(parents=True)
    home.chmod(0o711)
    Root(place).close_to_others()
    modes = [each.stat().st_mode & 0o777 for each in (place, place / "servers", home)]
    assert modes == [0o700] * 3
    (place / "hubs").mkdir()  # others come by to a hub
    Root(place).close_to_others()
    assert place.stat().st_mode & 0o777 == 0o711


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_its_container_wrote_as_another_user_says_who_can_remove_it() -> None:
    root = Path(tempfile.mkdtemp(prefix="zedops-"))  # pytest's own directories are closed
    home = root / "servers" / OWNER.id
    try:
        (home / "world" / "deep").mkdir(parents=True)
        with markers.opened(home) as folder:
            assert markers.claim(folder, OWNER)
        for each in (root, root / "servers", home):
            os.chown(each, 65534, 65534)
        os.seteuid(65534)
        try:
            with pytest.raises(EngineFailed) as refused:
                removal.remove_home(root, OWNER)
        finally:
            os.seteuid(0)
        assert str(refused.value) == (
            f"cannot remove {home}: Permission denied; its container wrote there as another user;"
            f" `rm -r {home}` as root, then `zedops retry`"
        )
        assert (home / "world" / "deep").is_dir()
        removal.remove_home(root, OWNER)
        assert not home.exists()
    finally:
        shutil.rmtree(root)
