"""A manager that runs and does nothing, as one that was frozen: told soon, not waited for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import docker
import pytest

from tests.frozen import freeze
from tests.machine import Machine, became
from tests.system.servers import begin, edit, runs

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("hung"), docker_api, image)
    try:
        machine.init()
        machine.up()
        yield machine
    finally:
        if not machine.died:
            os.kill(machine.pid, signal.SIGCONT)
        machine.tear_down()


def begun(machine: Machine, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=machine.clone, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )


def test_a_frozen_manager_holds_nobody_for_ever_and_takes_in_nothing_that_was_refused(
    fleet: Machine,
) -> None:
    path = begin(fleet, "rosewood", "env: {GREET: a}")
    before = runs(fleet, "rosewood")
    zedops = (sys.executable, "-m", "zedops")
    freeze(fleet.pid)
    head = fleet.git("rev-parse", "main", cwd=fleet.hub)
    edit(fleet, path, "GREET: a", "GREET: b")
    asked = {
        name: begun(fleet, *command) for name, command in {
            "push": ("git", "push"), "logs": (*zedops, "logs", "rosewood"),
            "doctor": (*zedops, "doctor"), "list": (*zedops, "list"),
        }.items()
    }
    said = {name: each.communicate(timeout=90)[0] for name, each in asked.items()}
    codes = {name: each.returncode for name, each in asked.items()}
    assert codes == {"push": 1, "logs": 1, "doctor": 1, "list": 0}, said
    for name in ("push", "logs"):
        assert "the manager does not answer yet; waiting" in said[name]
    assert "so nothing was accepted" in said["push"]
    assert f"(process {fleet.pid}) does not answer; servers go on" in said["logs"]
    assert f"runs (process {fleet.pid}) and does not answer" in said["doctor"]
    assert "rosewood" in said["list"]
    assert "does not answer" in said["list"]
    os.kill(fleet.pid, signal.SIGCONT)
    fleet.zedops("list")  # what it was asked before has been answered, to nobody
    assert fleet.git("rev-parse", "main", cwd=fleet.hub) == head
    assert runs(fleet, "rosewood") == before
    assert became(fleet.git("push"), "rosewood", "running")
    assert "Traceback" not in fleet.log.read_text()
