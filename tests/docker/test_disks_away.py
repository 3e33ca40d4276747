"""Disks that go and come back under worlds: no server is ever started over a bare mount point."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import without
from tests.docker.host import Host
from zedops.protocol.sync import Goal
from zedops.spec.model import Drift

pytestmark = pytest.mark.docker


class Disk:
    """A directory that is mounted at a place, and taken away again."""

    def __init__(self, folder: Path) -> None:
        self.content, self.at = folder / "disk", folder / "mnt"
        self.content.mkdir()
        self.at.mkdir()
        self.is_there = False
        self.mount()

    def mount(self) -> None:
        """Attach it."""
        subprocess.run(["mount", "--bind", str(self.content), str(self.at)], check=True)
        self.is_there = True

    def detach(self) -> None:
        """Take it away, whoever uses it."""
        subprocess.run(["umount", "-l", str(self.at)], check=True)
        self.is_there = False

    def starts(self) -> int:
        """Count how often a server began in the world on it."""
        with suppress(FileNotFoundError):
            return (self.content / "world.txt").read_text().count("started")
        return 0


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """Attach a disk."""
    if os.geteuid() != 0:
        without("mounts, which only root may make")
    made = Disk(tmp_path_factory.mktemp("disk"))
    yield made
    if made.is_there:
        made.detach()


@pytest.fixture
def on_disk(disk: Disk, docker_api: docker.APIClient, image: str) -> Iterator[Host]:
    """Start an agent whose data root is the disk."""
    made = Host(disk.at, docker_api, image, f"t{uuid.uuid4().hex[:8]}")
    made.start()
    yield made
    made.tear_down()


def sourced(host: Host, disk: Disk, name: str = "rosewood", more: str = "") -> str:
    """Allow the disk, and write a server whose world is there."""
    host.policy.write_text(f"bind_roots: [{disk.at.parent}]\n")
    return f"volumes: {{world: {{path: /data, source: {disk.at}}}}}\nstop: {{grace: 5s}}\n{more}"


def settled(host: Host, disk: Disk, text: str) -> str:
    """Have a server run with a world that is marked."""
    server = host.want("rosewood", text)
    host.wait_running(server)
    host.until(lambda: disk.starts() == 1 and (disk.content / ".zedops.json").exists())
    return server


def ends_again(host: Host) -> None:
    """Wait until the container is down."""
    host.until(lambda: not host.container("rosewood")["State"]["Running"])


def test_a_server_that_crashes_while_its_disk_is_away_waits_for_it(host: Host, disk: Disk) -> None:
    text = sourced(host, disk)
    server = settled(host, disk, text)
    assert host.container("rosewood")["HostConfig"]["RestartPolicy"]["Name"] == "no"
    disk.detach()
    seen = len(host.reports)
    host.api.kill(f"{host.fleet}-rosewood")
    lost = host.wait(server, lambda each: each.data_lost and each.container
                     and not each.container.running, seen)
    assert "add .zedops.json" not in str(lost.note)
    assert list(disk.at.iterdir()) == []
    disk.mount()
    host.want("rosewood", text, commit="back")
    host.wait(server, lambda each: each.about == "back" and each.container
              and each.container.running and not each.data_lost, seen)
    host.until(lambda: disk.starts() == 2)


def test_what_was_started_over_a_bare_mount_point_is_ended(host: Host, disk: Disk) -> None:
    text = sourced(host, disk)
    server = settled(host, disk, text)
    host.stop()
    disk.detach()
    host.api.restart(f"{host.fleet}-rosewood", timeout=5)
    host.until((disk.at / "world.txt").exists)  # a fresh world
    seen = len(host.reports)
    host.start()
    ends_again(host)
    host.wait(server, lambda each: each.data_lost and each.container
              and not each.container.running, seen)
    disk.mount()
    host.want("rosewood", text, commit="back")
    host.until(lambda: disk.starts() == 2)


def test_a_container_on_a_hidden_directory_moves_to_the_disk_that_is_back(
    host: Host, disk: Disk
) -> None:
    text = sourced(host, disk)
    settled(host, disk, text)
    host.stop()
    disk.detach()
    host.api.restart(f"{host.fleet}-rosewood", timeout=5)
    host.until((disk.at / "world.txt").exists)
    disk.mount()
    before = host.container("rosewood")["Id"]
    host.start()
    host.until(lambda: disk.starts() == 2)
    assert host.container("rosewood")["Id"] == before
    host.wait_running(host.want("rosewood", text, commit="after"))
    assert disk.starts() == 2


def test_an_earlier_releases_container_is_taken_from_the_engine_while_it_runs(
    host: Host, disk: Disk
) -> None:
    settled(host, disk, sourced(host, disk))
    before = host.container("rosewood")["State"]["StartedAt"]
    policy: Any = {"Name": "unless-stopped", "MaximumRetryCount": 0}
    host.api.update_container(f"{host.fleet}-rosewood", restart_policy=policy)
    host.until(
        lambda: host.container("rosewood")["HostConfig"]["RestartPolicy"]["Name"] == "no"
    )
    assert host.container("rosewood")["State"]["StartedAt"] == before


def test_after_a_reboot_the_agent_starts_what_the_engine_does_not(host: Host, disk: Disk) -> None:
    text = sourced(host, disk)
    server = host.want("rosewood", text, drift=Drift.REPORT)
    host.wait_running(server)
    host.until(lambda: disk.starts() == 1 and (disk.content / ".zedops.json").exists())
    host.stop()
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    host.start()
    host.until(lambda: disk.starts() == 2)


def test_a_data_root_that_goes_stops_all_that_is_made_or_started(
    on_disk: Host, disk: Disk
) -> None:
    host = on_disk
    world = "volumes: {world: /data}\nstop: {grace: 5s}\n"
    server = host.want("rosewood", world)
    host.wait_running(server)
    host.until((host.world(server) / ".zedops.json").exists)
    disk.detach()
    seen = len(host.reports)
    host.api.kill(f"{host.fleet}-rosewood")
    lost = host.wait(server, lambda each: each.data_lost and each.container
                     and not each.container.running, seen)
    assert "is its disk mounted?" in str(lost.note)
    host.stop()
    seen = len(host.reports)
    host.start()  # as after a reboot, with the disk late
    lost = host.wait(server, lambda each: each.data_lost, seen)
    assert "is its disk mounted?" in str(lost.note)
    assert not (disk.at / "servers").exists()
    disk.mount()
    host.want("rosewood", world, commit="back")
    host.until(lambda: host.starts(server) == 2)


def test_an_image_that_begins_in_an_empty_directory_only_finds_one(host: Host, disk: Disk) -> None:
    begins = "test -e /data/made || test -z \"$(ls -A /data)\" || exit 1; date > /data/made"
    command = f"command: [/bin/busybox, sh, -c, '{begins}; while :; do sleep 1; done']\n"
    own = host.want("own", f"{command}volumes: {{world: /data}}\nstop: {{grace: 200ms}}\n")
    there = host.want("there", sourced(host, disk, more=command).replace("5s", "200ms"))
    for server, world in ((own, host.world(own)), (there, disk.content)):
        host.wait(server, lambda each: each.data_exists)
        host.until((world / ".zedops.json").exists)
        assert (world / "made").exists()
    assert not (host.world(own).parent / ".zedops.world.json").exists()


def test_data_that_cannot_be_looked_at_is_said_with_path_and_reason(
    host: Host, disk: Disk
) -> None:
    link = disk.content.parent / "link"
    link.symlink_to(disk.content)
    text = sourced(host, disk).replace(str(disk.at), str(link))
    server = settled(host, disk, text)
    link.unlink()
    link.symlink_to(link)
    seen = len(host.reports)
    host.api.kill(f"{host.fleet}-rosewood")
    report = host.wait(server, lambda each: each.failure, seen)
    assert f"cannot look at {link}: Too many levels of symbolic links" in str(report.failure)
    assert report.data_lost is False
    link.unlink()
    link.symlink_to(disk.content)
    host.want("rosewood", text, commit="back")
    host.until(lambda: disk.starts() == 2)


def test_two_servers_never_have_one_directory_by_two_paths(host: Host, disk: Disk) -> None:
    text = sourced(host, disk)
    one = settled(host, disk, text)
    link = disk.content.parent / "link"
    link.symlink_to(disk.content)
    for name, place in (("by-link", link), ("by-mount", disk.content)):
        other = host.want(name, text.replace(str(disk.at), str(place)))
        refused = host.wait(other, lambda each: each.data_lost)
        assert "holds another server's data; give this server its own" in str(refused.note)
    host.wait_running(one)
    inside = text.replace(str(disk.at), str(link / "deep")).replace("}}", ", kind: cache}}")
    (disk.content / "deep").mkdir()
    youngest = host.want("inside", inside, server_id="7" + 25 * "Z")
    report = host.wait(youngest, lambda each: each.failure)
    assert f"lies in {disk.content}, which is volume 'world' of server" in str(report.failure)
    assert host.containers() == [f"{host.fleet}-rosewood"]
    host.want("by-link", text.replace(str(disk.at), str(link)), goal=Goal.DELETED)
