"""A machine that reboots: Engine and zedops end, and what their units say starts them again."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.docker.private_engine import PrivateEngine, running
from tests.machine import Machine
from tests.system.servers import LOOP, command, wait_status, write

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture
def engine(docker_api: docker.APIClient, image: str) -> Iterator[PrivateEngine]:
    """Run an Engine that may be ended, with the image of the tests."""
    with running(image, docker_api) as made:
        yield made


class Systemd:
    """Starts the command of a unit as systemd would: its words, folder, environment, no shell."""

    def __init__(self, unit: str, log: Path) -> None:
        """Read a unit."""
        lines = [line.partition("=") for line in unit.splitlines() if "=" in line]
        said = {key: value for key, _, value in lines}
        self.command = [each.replace("$$", "$").replace("%%", "%")
                        for each in shlex.split(said["ExecStart"])]
        self.folder, self._log = said["WorkingDirectory"], log
        pairs = [shlex.split(value)[0] for key, _, value in lines if key == "Environment"]
        self._environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | {
            key: value.replace("%%", "%") for key, _, value in (one.partition("=") for one in pairs)
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the service."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End it as a shutdown does."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(60) == 0, self._log.read_text()[-4000:]
            self._process = None


def test_after_a_reboot_every_server_is_up_and_nobody_did_anything(
    tmp_path: Path, docker_api: docker.APIClient, image: str, engine: PrivateEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    api = engine.connect()
    machine = Machine(tmp_path, api, image)
    machine.init()
    typed = ["up", machine.fleet, "--data-root", "worlds", "--policy", "none.yaml"]
    unit = machine.zedops(*typed, "--systemd", "--print", cwd=tmp_path).stdout
    service = Systemd(unit, machine.log)
    assert service.command[1:] == ["-m", "zedops", *typed]
    try:
        service.start()
        machine.wait_for(lambda: "Ctrl-C ends" in machine.said())
        for name, line in (("plain", command(LOOP)), ("failing", command("exit 1")),
                           ("resting", "desired: stopped")):
            write(machine, name, line)
        machine.git("add", "--all")
        machine.git("commit", "--quiet", "-m", "three")
        machine.git("push", "--quiet", "-o", "no-wait")
        before = wait_status(machine, "plain", "running")
        wait_status(machine, "resting", "stopped")
        service.stop()
        engine.stop()
        engine.start()
        service.start()
        machine.wait_for(lambda: machine.said().count("Ctrl-C ends") == 2)
        machine.wait_for(lambda: _runs(api, machine, "plain"))
        after = wait_status(machine, "plain", "running")
        assert before["id"] == after["id"]
        assert before["container"] == after["container"]
        assert not _runs(api, machine, "resting")
    finally:
        service.stop()
        api.close()


def _runs(api: docker.APIClient, machine: Machine, name: str) -> bool:
    label = {"label": f"zedops.server.name={name}", "status": "running"}
    return bool(api.containers(filters=label))
