"""A disk that is full or read-only, below each part: it is said, the rest goes on, it heals."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import without
from tests.machine import Machine
from tests.system.servers import begin, edit, is_running, runs, state, wait_status, write

pytestmark = [pytest.mark.docker, pytest.mark.system]


class Disk:
    """A small disk of a test's own."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0 or shutil.which("mount") is None:
            without("right to mount a disk (root)")
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no room."""
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", 0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink()

    def close(self, place: Path) -> None:
        """Make a directory read-only, over what is open there."""
        subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)

    def open(self, place: Path) -> None:
        """Make it as it was."""
        subprocess.run(["umount", "--lazy", str(place)], check=True)

    def remove(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Have a small disk."""
    made = Disk(tmp_path / "disk")
    yield made
    made.remove()


@pytest.fixture
def fleet(
    disk: Disk, tmp_path: Path, docker_api: docker.APIClient, image: str
) -> Iterator[tuple[Machine, Path]]:
    """Run a fleet with one server whose hub is on that disk; gives the server's file, too."""
    machine = Machine(tmp_path, docker_api, image)
    try:
        machine.init()
        shutil.move(machine.hub, disk.folder / "hub.git")
        machine.hub.symlink_to(disk.folder / "hub.git")
        machine.up()
        yield machine, begin(machine, "rosewood", "env: {GREET: ada}")
    finally:
        machine.tear_down()


@pytest.mark.parametrize("trouble", ["no space left on the disk of", "the disk is read-only"])
def test_a_hub_that_cannot_be_written_is_said_once_and_servers_go_on(
    trouble: str, fleet: tuple[Machine, Path], disk: Disk
) -> None:
    machine, path = fleet
    before = runs(machine, "rosewood")
    begun = len(machine.log.read_text())
    objects, full = disk.folder / "hub.git" / "objects", "space" in trouble
    disk.fill() if full else disk.close(objects)
    edit(machine, path, "ada", "eve")
    said = machine.git("push", code=1).lower()
    assert ("no space left" if full else "unable to create temporary object directory") in said
    machine.api.stop(before[0], timeout=5)
    assert runs(machine, "rosewood") != before  # it is healed, though nobody can write that down
    machine.wait_for(lambda: trouble in machine.log.read_text()[begun:])
    assert not list((disk.folder / "hub.git").glob("fast_import_crash_*"))
    disk.free() if full else disk.open(objects)
    assert "running" in machine.git("push")
    machine.wait_for(lambda: "GREET=eve" in str(machine.container("rosewood")))
    wait_status(machine, "rosewood", "running")
    machine.check_hub()
    assert machine.log.read_text().count(trouble) == 1
    assert "Traceback" not in machine.log.read_text()


def test_a_full_disk_under_the_data_is_said_and_what_runs_goes_on(
    machine: Machine, disk: Disk
) -> None:
    machine.init()
    machine.data_root = disk.folder / "data"
    machine.up()
    path = begin(machine, "rosewood", "env: {GREET: ada}")
    before = runs(machine, "rosewood")
    disk.fill()
    edit(machine, path, "ada", "eve")
    write(machine, "muldraugh")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "another one")
    machine.git("push", "-o", "no-wait")
    machine.wait_for(lambda: "No space left on device" in machine.log.read_text())
    assert runs(machine, "rosewood") == before
    disk.free()
    wait_status(machine, "muldraugh", "running")
    machine.wait_for(lambda: "GREET=eve" in str(machine.container("rosewood")))
    wait_status(machine, "rosewood", "running")
    assert state(machine, "rosewood")["data_exists"]
    assert is_running(machine, "muldraugh")
    assert "Traceback" not in machine.log.read_text()
