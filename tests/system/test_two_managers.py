"""Two managers on one hub, over a NATS server that is neither's: one leads, the other stands by."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest

from tests.frozen import freeze
from tests.machine import Machine, free_port
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.server import NatsServer

pytestmark = [pytest.mark.docker, pytest.mark.nats, pytest.mark.system]

TAKE_OVER_S = 10.0


class Process:
    """A zedops process and what it said."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-u", "-m", "zedops", *arguments], cwd=folder, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(os.environ),
            )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGCONT)
        self.popen.terminate()
        self.popen.wait(30)


class Pair(Machine):
    """A fleet with two managers and one agent that reaches them over NATS."""

    def __init__(self, folder: Path, api: docker.APIClient, image: str) -> None:
        super().__init__(folder, api, image)
        port = free_port()
        self.authority = Authority.open(folder / "nats")
        self.url = f"tls://127.0.0.1:{port}"
        self.server = NatsServer(self.authority, [self.url], "127.0.0.1", port)
        self.server.start()
        (folder / "ca.pem").write_text(self.authority.ca_pem)
        self.managers: list[Process] = []
        self.agent: Process | None = None

    def begin(self) -> None:
        self.init()
        (self.folder / "manager.creds").write_text(self.authority.manager_credentials().text)
        seed = jwt.new_seed(Role.USER)
        user = self.authority.issue("local", jwt.public_key(seed), datetime.now(UTC))
        self.server.reload()
        (self.folder / "local.creds").write_text(Credentials(user, seed).text)
        self.manage()
        self.wait_for(lambda: self.managers[0].said("managing, hosts reach it"))
        self.manage()
        self.wait_for(lambda: self.managers[1].said("standing by"))
        self.agent = Process(
            self.folder, "agent", "agent", "connect", self.url, "--fleet", self.fleet, "--host",
            "local", "--creds", "local.creds", "--ca", "ca.pem", "--tls-first", "-v",
            "--data-root", str(self.data_root),
        )

    def manage(self) -> None:
        self.managers.append(Process(
            self.folder, f"manager{len(self.managers)}", "manager", str(self.hub), "-v",
            "--nats", self.url, "--creds", "manager.creds", "--ca", "ca.pem", "--tls-first",
        ))

    def leads(self, which: int) -> bool:
        """Say whether a manager's last word on the matter is that it leads."""
        text = self.managers[which].log.read_text()
        return text.rfind("managing, hosts") > max(
            text.rfind("standing by"), text.rfind("another manager leads")
        )

    def epoch(self) -> str:
        """Read which manager's time it is in the hub."""
        return self.git("cat-file", "-p", "refs/zedops/epoch", cwd=self.hub).strip()

    def kept(self) -> str:
        """Read the document that the agent goes by."""
        return (self.data_root / "agent" / self.fleet / "desired.json").read_text()

    def said(self) -> str:
        logs = [*(each.log for each in self.managers), self.folder / "agent.log"]
        return "\n".join(f"--- {each.name}\n{each.read_text()[-3000:]}" for each in logs
                         if each.exists())

    def tear_down(self) -> None:
        for each in (*self.managers, *([self.agent] if self.agent else [])):
            each.end()
        self.server.stop_server()
        super().tear_down()


@pytest.fixture
def pair(tmp_path: Path, docker_api: docker.APIClient, image: str) -> Iterator[Pair]:
    made = Pair(tmp_path, docker_api, image)
    try:
        made.begin()
        made.define("rosewood", GREET="ada")
        made.push("rosewood: begin")
        made.wait_for(lambda: made.state("rosewood").get("status") == "running")
        yield made
    finally:
        made.tear_down()


def test_the_other_takes_over_from_one_that_was_killed(pair: Pair) -> None:
    os.kill(pair.managers[0].popen.pid, signal.SIGKILL)
    killed = time.monotonic()
    pair.managers[0].popen.wait()
    pair.wait_for(lambda: pair.leads(1), TAKE_OVER_S)
    assert time.monotonic() - killed < TAKE_OVER_S
    pair.pull()
    pair.define("rosewood", GREET="bob")
    assert "rosewood" in pair.push("rosewood: greet bob")
    pair.wait_for(lambda: "GREET=bob" in str(pair.container("rosewood")))
    pair.manage()
    pair.wait_for(lambda: pair.managers[2].said("standing by"))


def test_one_that_slept_and_wakes_can_neither_commit_nor_command(pair: Pair) -> None:
    sleeper = pair.managers[0].popen.pid
    freeze(sleeper)
    pair.wait_for(lambda: pair.leads(1), TAKE_OVER_S)
    # the new leader's work: a push, and what became of it
    pair.pull()
    pair.define("rosewood", GREET="bob")
    pair.push("rosewood: greet bob")
    pair.wait_for(lambda: "GREET=bob" in str(pair.container("rosewood")))
    pair.wait_for(lambda: pair.state("rosewood").get("status") == "running")
    epoch = pair.epoch()
    begun = len(pair.managers[1].log.read_text())
    os.kill(sleeper, signal.SIGCONT)
    pair.wait_for(lambda: pair.managers[0].said("another manager leads this fleet now"))
    # things go on, and only one of them does them
    container = pair.container("rosewood")
    assert container is not None
    pair.api.remove_container(container["Id"], force=True)
    pair.wait_for(lambda: pair.container("rosewood") is not None)
    pair.wait_for(lambda: any("missing" in each for each in pair.subjects()))
    pair.wait_for(lambda: pair.state("rosewood").get("status") == "running")
    if "another manager leads" in pair.managers[1].log.read_text()[begun:]:
        # it was held up for longer than its lease lasts: whoever is next leads as rightly
        pair.wait_for(lambda: pair.leads(0) != pair.leads(1))
        pair.wait_for(lambda: f'"epoch":{pair.epoch()}' in pair.kept())
    else:
        assert pair.epoch() == epoch
        assert f'"epoch":{epoch}' in pair.kept()
        assert pair.leads(1)
        assert not pair.leads(0)
    assert len(pair.containers(everything=False)) == 1
    # and it is of use again
    os.kill(pair.managers[1].popen.pid, signal.SIGKILL)
    pair.managers[1].popen.wait()
    pair.wait_for(lambda: pair.leads(0), TAKE_OVER_S)
    pair.define("muldraugh")
    assert "muldraugh" in pair.push("muldraugh: begin")
    pair.wait_for(lambda: pair.state("muldraugh").get("status") == "running")
