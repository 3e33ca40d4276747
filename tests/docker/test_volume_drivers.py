"""Named volumes with a driver: made, guarded and let go, on a real Engine and real disks.

The disk is mounted by the Engine's own driver, only while a container uses it, as a share is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from tests.conftest import without
from tests.docker.host import Host
from zedops.protocol.requests import DataReply, DataRequest
from zedops.protocol.sync import Goal

pytestmark = pytest.mark.docker

ALLOWED = 'volumes: ["local/ext4"]\n'
STOP = "stop: {grace: 1s}\n"


class Share:
    """A file system on a loop device, which the Engine mounts by itself."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self.at, self.name = folder / "disk.img", folder / "look", name
        self.at.mkdir()
        self.format()
        made = _run("losetup", "--find", "--show", str(self.file))
        self.device = made.strip()

    def format(self) -> None:
        """Make it empty."""
        _run("truncate", "--size=8M", str(self.file))
        _run("mkfs.ext4", "-q", "-F", getattr(self, "device", str(self.file)))

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Look into it."""
        _run("mount", self.device, str(self.at))
        try:
            yield self.at
        finally:
            _run("umount", str(self.at))

    def text(self, **more: str) -> str:
        """Write the volume of a definition."""
        options = {"type": "ext4", "device": self.device, **more}
        return f"volumes: {{world: {{path: /data, source: {self.name}, driver_opts: {options}}}}}\n"


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def share(host: Host, tmp_path: Path) -> Iterator[Share]:
    """Make a share, and remove it with its volume."""
    if os.geteuid() != 0 or not shutil.which("losetup") or not shutil.which("mkfs.ext4"):
        without("loop devices, which only root may make")
    try:
        made = Share(tmp_path, f"{host.fleet}-share")
    except subprocess.CalledProcessError as error:
        without(f"loop devices: {error.stderr}")
    yield made
    host.tear_down()
    with suppress(docker.errors.NotFound):
        host.api.remove_volume(made.name)
    _run("losetup", "--detach", made.device)


def volume(host: Host, name: str) -> dict[str, Any] | None:
    """Inspect a volume; None without one."""
    try:
        found: dict[str, Any] = host.api.inspect_volume(name)
    except docker.errors.NotFound:
        return None
    return found


def test_a_driver_needs_the_word_of_the_hosts_owner(host: Host, share: Share) -> None:
    server = host.want("rosewood", share.text() + STOP)
    failed = host.wait(server, lambda each: each.failure)
    assert f'volumes: ["local/ext4 device={share.device}"]' in str(failed.failure)
    assert volume(host, share.name) is None
    assert host.containers() == []


def test_a_world_behind_a_driver_is_marked_and_never_started_without(
    host: Host, share: Share
) -> None:
    host.policy.write_text(ALLOWED)
    server = host.want("rosewood", share.text() + STOP)
    host.wait(server, lambda each: each.applied and each.data_exists)
    made = volume(host, share.name)
    assert made is not None
    assert made["Labels"]["zedops.server.id"] == server
    assert made["Labels"]["zedops.volume"] == "world"
    marker = Path(made["Mountpoint"], ".zedops.json")
    host.until(lambda: server in marker.read_text())

    seen = len(host.reports)
    host.want("rosewood", share.text() + STOP, goal=Goal.STOPPED)
    stopped = host.wait(server, lambda each: each.applied, seen)
    assert stopped.data_exists is None, "what is not mounted can be neither there nor gone"
    assert host.agent is not None
    sizes = host.agent.call(DataRequest())
    assert isinstance(sizes, DataReply)
    assert [each.exists for each in sizes.volumes] == [None]
    with share.mounted() as inside:
        world = {each.name: each.read_bytes() for each in inside.iterdir() if each.is_file()}
    share.format()

    seen = len(host.reports)
    host.want("rosewood", share.text() + STOP, created=True, data_expected=True)
    failed = host.wait(server, lambda each: each.failure, seen)
    assert "volume 'world' has no marker and may be another directory" in str(failed.failure)
    assert not host.container("rosewood")["State"]["Running"]

    with share.mounted() as inside:
        for name, content in world.items():
            (inside / name).write_bytes(content)
    host.wait(server, lambda each: each.container and each.container.running
              and each.failure is None, seen)


def test_a_volume_with_other_options_is_neither_replaced_nor_used(
    host: Host, share: Share
) -> None:
    host.policy.write_text(ALLOWED)
    server = host.want("rosewood", share.text() + STOP)
    host.wait(server, lambda each: each.applied)
    before, runs = volume(host, share.name), host.container("rosewood")["Id"]
    host.want("rosewood", share.text(o="noatime") + STOP)
    failed = host.wait(server, lambda each: each.failure)
    assert f"`docker volume rm {share.name}`" in str(failed.failure)
    assert volume(host, share.name) == before
    assert host.container("rosewood")["Id"] == runs
    assert host.container("rosewood")["State"]["Running"]


def test_what_is_removed_by_hand_is_made_again_and_a_purge_lets_the_files_be(
    host: Host, share: Share
) -> None:
    host.policy.write_text(ALLOWED)
    server = host.want("rosewood", share.text() + STOP)
    host.wait(server, lambda each: each.applied and each.data_exists)
    host.stop()
    host.api.remove_container(f"{host.fleet}-rosewood", force=True)
    host.api.remove_volume(share.name)
    seen = len(host.reports)
    host.start()
    host.wait(server, lambda each: each.applied and each.data_exists, seen)

    seen = len(host.reports)
    host.want("rosewood", share.text() + STOP, goal=Goal.PURGED)
    host.wait(server, lambda each: each.is_gone and each.goal is Goal.PURGED, seen)
    host.until(lambda: volume(host, share.name) is None)
    with share.mounted() as inside:
        assert "started" in (inside / "world.txt").read_text()


def test_a_volume_that_zedops_did_not_make_outlives_a_purge(host: Host, share: Share) -> None:
    options = {"type": "ext4", "device": share.device}
    host.api.create_volume(share.name, driver_opts=options)
    host.policy.write_text(ALLOWED)
    server = host.want("rosewood", share.text() + STOP)
    host.wait(server, lambda each: each.applied)
    seen = len(host.reports)
    host.want("rosewood", share.text() + STOP, goal=Goal.PURGED)
    host.wait(server, lambda each: each.is_gone and each.goal is Goal.PURGED, seen)
    assert volume(host, share.name) is not None


def test_a_driver_that_binds_a_directory_obeys_the_hosts_directories(
    host: Host, share: Share
) -> None:
    name = f"{host.fleet}-bound"
    text = (f"volumes: {{world: {{path: /data, source: {name}, driver_opts:"
            f" {{type: none, o: bind, device: {share.at}/world}}}}}}\n{STOP}")
    with share.mounted() as inside:
        (inside / "world").mkdir()
        try:
            server = host.want("rosewood", text)
            failed = host.wait(server, lambda each: each.failure)
            assert f"bind_roots: [{share.at}/world]" in str(failed.failure)
            host.policy.write_text(f"bind_roots: [{share.at}]\n")
            host.wait(server, lambda each: each.applied and each.data_exists)
            host.until(lambda: server in (inside / "world/.zedops.json").read_text())
            seen = len(host.reports)
            host.want("rosewood", text, goal=Goal.STOPPED)
            host.wait(server, lambda each: each.applied, seen)
        finally:
            host.until(lambda: not any(
                each["State"] == "running" for each in host.api.containers(all=True)
                if each["Names"][0].startswith(f"/{host.fleet}")))
    seen = len(host.reports)  # its disk is away
    host.want("rosewood", text, created=True, data_expected=True)
    lost = host.wait(server, lambda each: each.data_lost, seen)
    assert "volume 'world' is gone" in str(lost.note)
    assert not host.container("rosewood")["State"]["Running"]
    host.tear_down()
    host.api.remove_volume(name)


def test_a_volume_in_memory_needs_no_word_and_no_guard(host: Host) -> None:
    name = f"{host.fleet}-memory"
    text = (f"volumes: {{world: {{path: /data, source: {name}, kind: cache, driver_opts:"
            f" {{type: tmpfs, device: tmpfs, o: size=1m}}}}}}\n{STOP}")
    server = host.want("rosewood", text)
    host.wait(server, lambda each: each.applied)
    found = volume(host, name)
    assert found is not None
    assert Path(found["Mountpoint"], "world.txt").exists()
    seen = len(host.reports)
    host.want("rosewood", f"{text}restart: again\n")
    host.wait(server, lambda each: each.applied, seen)
    host.tear_down()
    host.api.remove_volume(name)
