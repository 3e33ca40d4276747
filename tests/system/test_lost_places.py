"""Files that keep one zedops from the next are removed by hand: never two at work, never none."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.frozen import freeze
from tests.machine import Machine, became
from tests.system.servers import begin, edit, runs

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(120),
              pytest.mark.xdist_group("lost-places")]

_number = itertools.count()


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("places"), docker_api, image)
    try:
        machine.init()
        machine.up()
        begin(machine, "rosewood", "env: {GREET: a0}")
        yield machine
    finally:
        machine.tear_down()


def assert_managed(fleet: Machine) -> None:
    """See that a push is taken in and followed to its end."""
    fleet.pull()
    number = next(_number)
    path = fleet.clone / "servers.d/rosewood.yaml"
    edit(fleet, path, f"GREET: a{number}", f"GREET: a{number + 1}")
    assert became(fleet.git("push"), "rosewood", "running")


def test_a_hub_whose_lock_was_removed_is_taken_over_by_nobody(fleet: Machine) -> None:
    (fleet.hub / "zedops/lock").unlink()
    said = fleet.zedops(*fleet.command(), cwd=fleet.folder, code=1).stderr
    assert f"(process {fleet.pid}) works in" in said
    assert_managed(fleet)
    assert not fleet.died


def test_a_socket_that_was_removed_is_there_again(fleet: Machine) -> None:
    socket = fleet.hub / "zedops/manager.sock"
    socket.unlink()
    fleet.wait_for(socket.exists)
    assert_managed(fleet)


def test_of_two_that_have_all_places_the_first_one_ends_and_says_why(
    fleet: Machine, tmp_path: Path
) -> None:
    told = fleet.log.stat().st_size
    freeze(fleet.pid)  # else it puts its locks back before the second one begins
    (fleet.hub / "zedops/lock").unlink()
    (fleet.data_root / "agent" / fleet.fleet / "lock").unlink()
    log = tmp_path / "second.log"
    with log.open("wb") as out, subprocess.Popen(
        [sys.executable, "-u", "-m", "zedops", *fleet.command()], cwd=fleet.folder,
        stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    ) as second:
        try:
            fleet.wait_for(lambda: "Ctrl-C ends" in log.read_text())
            before = runs(fleet, "rosewood")
            os.kill(fleet.pid, signal.SIGCONT)
            fleet.wait_for(lambda: fleet.died)
            said = fleet.log.read_text()[told:]
            assert f"(process {second.pid}) took" in said
            assert "Traceback" not in said
            assert runs(fleet, "rosewood") == before
            assert_managed(fleet)
        finally:
            second.terminate()
    fleet.up()
    assert second.returncode == 0, log.read_text()
