"""Backups whose disks fill, whose repositories break, and worlds with odd files in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import without
from tests.docker.host import Host
from tests.docker.test_backups import LIVE, act, begin, environment, snapshots
from zedops.protocol.sync import Goal
from zedops.spec.backup import read_last

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("restic")]


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Have a small disk at a place."""
    if os.geteuid() != 0:
        without("mounts, which only root may make")
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(place)]
    subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def is_whole(host: Host) -> bool:
    """Say whether restic finds nothing wrong with the host's repository."""
    for words in (["unlock"], ["check"]):  # restic leaves its lock where it is killed
        done = subprocess.run(["restic", *words], env=environment(host), capture_output=True,
                              check=False)
    return done.returncode == 0


def test_a_full_repository_fails_the_backup_and_nothing_else(host: Host) -> None:
    repository = host.root / "backups" / host.fleet / "repository"
    with small_disk(repository, "2m"):
        _, kept = begin(host, LIVE)
        first = read_last(act(host, "{backup: one}", LIVE).backup or "")
        before = host.container("rosewood")["State"]["StartedAt"]
        (kept.parent / "large").write_bytes(os.urandom(4 << 20))
        report = act(host, "{backup: two}", LIVE)
        assert report.note is not None
        assert report.note.startswith("the last backup failed: ")
        assert "no space left" in report.note
        assert read_last(report.backup or "") == first
        assert host.container("rosewood")["State"]["StartedAt"] == before
        subprocess.run(["mount", "-o", "remount,size=64m", str(repository)], check=True)
        report = act(host, "{backup: three}", LIVE)
        assert report.note is None
        assert len(snapshots(host)) == 2
        assert is_whole(host)


def test_a_damaged_repository_gives_no_world_and_takes_none(host: Host) -> None:
    _, kept = begin(host, LIVE)
    act(host, "{backup: one}", LIVE)
    kept.write_text("after")
    repository = host.root / "backups" / host.fleet / "repository"
    for each in (repository / "data").glob("*/*"):
        each.chmod(0o600)
        each.write_bytes(bytes(each.stat().st_size))
    cache = host.root / "backups" / host.fleet / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    report = act(host, "{backup: one, restore: latest}", LIVE)
    assert "the last restore failed: " in (report.note or "")
    report = act(host, "{backup: one, restore: latest, prove: one}", LIVE)
    assert "failed: " in (report.note or "")
    assert kept.read_text() == "after"
    assert report.container
    assert report.container.running
    assert not list((host.root / "backups" / host.fleet / "proof").iterdir())


def test_a_wrong_password_is_named_before_the_server_stops(host: Host) -> None:
    _, _ = begin(host, LIVE)
    act(host, "{backup: one}", LIVE)
    host.stop()
    word = host.root / "backups" / host.fleet / "password"
    right = word.read_text()
    word.write_text("another\n")
    before = host.container("rosewood")["State"]["StartedAt"]
    host.start()
    report = act(host, "{backup: two}", LIVE.replace("none", "stop"))
    assert "wrong password; put the password of that repository back" in (report.note or "")
    assert host.container("rosewood")["State"]["StartedAt"] == before
    word.write_text(right)
    assert act(host, "{backup: three}", LIVE).note is None


def test_a_restore_or_proof_without_room_is_refused_before_anything_is_touched(
    tmp_path: Path, docker_api: docker.APIClient, image: str
) -> None:
    root = tmp_path / "root"
    with small_disk(root, "60m"):  # a restore leaves 64 MiB free
        host = Host(root, docker_api, image, f"t{uuid.uuid4().hex[:8]}")
        host.start()
        try:
            _, kept = begin(host, LIVE)
            act(host, "{backup: one}", LIVE)
            kept.write_text("after")
            before = host.container("rosewood")["State"]["StartedAt"]
            report = act(host, "{backup: one, restore: latest}", LIVE)
            assert "MiB free; make room there" in (report.note or "")
            report = act(host, "{backup: one, prove: one}", LIVE)
            assert "the last proof failed: " in (report.note or "")
            assert "MiB free; make room there" in (report.note or "")
            assert kept.read_text() == "after"
            assert host.container("rosewood")["State"]["StartedAt"] == before
        finally:
            host.tear_down()


def test_a_world_with_odd_files_comes_back_as_it_was(host: Host) -> None:
    server, kept = begin(host, LIVE)
    world = kept.parent
    os.mkfifo(world / "pipe")
    (world / "hole").touch()
    os.truncate(world / "hole", 8 << 20)
    (world / "odd name\n*?[x]").write_text("odd")
    (world / "linked").hardlink_to(kept)
    kept.chmod(0o4750)
    os.chown(kept, 1234, 2345)
    with contextlib.suppress(OSError):  # not every disk has them
        os.setxattr(kept, "user.zedops", b"kept")
    before = kept.stat()
    act(host, "{backup: one}", LIVE)
    shutil.rmtree(world / "odd name\n*?[x]", ignore_errors=True)
    (world / "hole").unlink()
    kept.write_text("after")
    report = act(host, "{backup: one, restore: latest}", LIVE)
    assert report.note is None
    after = kept.stat()
    facts = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_nlink")
    assert [getattr(after, each) for each in facts] == [getattr(before, each) for each in facts]
    assert (host.world(server) / "pipe").is_fifo()
    assert (host.world(server) / "hole").stat().st_size == 8 << 20
    assert (host.world(server) / "odd name\n*?[x]").read_text() == "odd"


def test_a_purge_in_the_midst_of_a_backup_ends_it(host: Host) -> None:
    server, kept = begin(host, LIVE)
    with (kept.parent / "large").open("wb") as file:
        for _ in range(300):
            file.write(os.urandom(1 << 20))
    host.want("rosewood", f"{LIVE}world: {{backup: one}}\n")
    host.until(lambda: any("backing up" in each for each in host.progressed))
    host.want("rosewood", LIVE, goal=Goal.PURGED)
    host.until(lambda: not (host.root / "servers" / server).exists())
    assert not host.containers()
    assert is_whole(host)
