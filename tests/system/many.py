"""A fleet of several machines on one: each host an Engine and an agent in a network of its own.

A bridge stands for the internet. The manager is on it, each host hangs on it by a cable that can be
pulled: then nothing is refused, packets are just gone, as when a router dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from tests.conftest import without
from tests.docker.private_engine import PrivateEngine
from tests.docker.private_engine import missing as engine_missing
from tests.machine import Machine, free_port
from tests.shapes import fits
from zedops.system import failpoints


def missing() -> str | None:
    """Say what keeps this machine from being several; None if nothing does."""
    return engine_missing() or (None if shutil.which("ip") else "ip (iproute2)")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


class Bridge:
    """The network between the machines; the manager's machine has its first address."""

    def __init__(self) -> None:
        tag = uuid.uuid4().hex
        self.name = f"zb{tag[:8]}"
        self._net = f"10.{int(tag[:2], 16) % 200 + 20}.{int(tag[2:4], 16)}"
        self.address = f"{self._net}.1"
        self._hosts = 1
        _run("ip", "link", "add", self.name, "type", "bridge")
        _run("ip", "addr", "add", f"{self.address}/24", "dev", self.name)
        _run("ip", "link", "set", self.name, "up")

    def plug(self, engine: PrivateEngine) -> tuple[str, str]:
        """Connect a host's network; returns the name of its cable and its address."""
        self._hosts += 1
        cable = f"{self.name}{self._hosts}"
        inside = ("nsenter", f"--net={engine.network}")
        _run(*inside, "ip", "link", "add", "up0", "type", "veth", "peer", "name", cable,
             "netns", str(os.getpid()))
        _run("ip", "link", "set", cable, "master", self.name, "up")
        _run(*inside, "ip", "addr", "add", f"{self._net}.{self._hosts}/24", "dev", "up0")
        _run(*inside, "ip", "link", "set", "up0", "up")
        _run(*inside, "ip", "link", "set", "lo", "up")
        return cable, f"{self._net}.{self._hosts}"

    def remove(self) -> None:
        """Take it away."""
        _run("ip", "link", "delete", self.name)


class RemoteHost:
    """One machine that joins: an Engine, a data root, an agent."""

    def __init__(self, name: str, bridge: Bridge, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.data_root = self.folder / "data"
        self.log = self.folder / "agent.log"
        self.engine = PrivateEngine()
        self._agent: subprocess.Popen[bytes] | None = None
        self._cable, self.address = bridge.plug(self.engine)
        self.engine.start()
        self.api = self.engine.connect()

    def load(self, packed: bytes) -> None:
        """Bring an image."""
        self.api.load_image(packed)  # type: ignore[no-untyped-call]

    def zedops(self, *arguments: str, fault: str | None = None) -> subprocess.Popen[bytes]:
        """Start the command line on this machine; `fault` names where it dies."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "nsenter", f"--net={self.engine.network}",
                 sys.executable, "-u", "-m", "zedops", *arguments],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, "DOCKER_HOST": self.engine.url,
                     **({failpoints.VARIABLE: fault} if fault else {})},
            )

    def join(self, token: str) -> None:
        """Join and go on as this host's agent."""
        assert self._agent is None
        self._agent = self.zedops("agent", "join", token, "-v", "--data-root", str(self.data_root))

    def run(self, fault: str | None = None, policy: Path | None = None) -> None:
        """Start the agent of a host that has joined; `fault` names where it dies."""
        assert self._agent is None
        words: tuple[str, ...] = ("agent", "run", "-v", "--data-root", str(self.data_root))
        words += () if policy is None else ("--policy", str(policy))
        self._agent = self.zedops(*words, fault=fault)

    @property
    def runs(self) -> bool:
        """Say whether its agent runs."""
        return self._agent is not None and self._agent.poll() is None

    def down(self, *, kill: bool = False) -> None:
        """End the agent."""
        if self._agent is not None:
            (self._agent.kill if kill else self._agent.terminate)()
            self._agent.wait(timeout=30)
            self._agent = None

    def cut(self) -> None:
        """Pull the cable."""
        _run("ip", "link", "set", self._cable, "down")

    def heal(self) -> None:
        """Plug it in again."""
        _run("ip", "link", "set", self._cable, "up")

    def containers(self) -> list[dict[str, Any]]:
        """List every container of the Engine."""
        found: list[dict[str, Any]] = self.api.containers(all=True)
        return found

    def said(self) -> str:
        """What the agent said, for messages."""
        return self.log.read_text()[-4000:] if self.log.exists() else ""

    def remove(self) -> None:
        """Leave nothing behind."""
        self.down()
        self.api.close()
        self.engine.remove()


class Many(Machine):
    """A manager on this machine and hosts on others."""

    def __init__(
        self, folder: Path, api: docker.APIClient, image: str, packed: bytes, names: tuple[str, ...]
    ) -> None:
        super().__init__(folder, api, image)
        self.bridge = Bridge()
        self.port = free_port()
        self.hosts: dict[str, RemoteHost] = {}
        self._packed = packed
        for name in names:
            self.hosts[name] = RemoteHost(name, self.bridge, folder)
            self.hosts[name].load(packed)

    def command(self) -> list[str]:
        """Say what runs the fleet: a manager that other machines reach."""
        return ["manager", str(self.hub), "-v",
                "--advertise", f"tls://{self.bridge.address}:{self.port}"]

    def invite(self, name: str, *options: str) -> str:
        """Ask for a token; returns it."""
        said = json.loads(self.zedops("host", "add", name, "--json", *options).stdout)
        fits("host add HOST", said)
        token: str = said["token"]
        return token

    def begin(self) -> None:
        """Make the fleet, start the manager, have every host join."""
        self.init()
        self.up()
        for name, host in self.hosts.items():
            host.join(self.invite(name))
        for name in self.hosts:
            self.wait_for(lambda name=name: self.answers(name))  # type: ignore[misc]

    def answers(self, host: str) -> bool:
        """Say whether the manager reaches a host."""
        rows = json.loads(self.zedops("host", "list", "--json").stdout)
        return any(each["name"] == host and each["answers"] for each in rows)

    def place(self, name: str, host: str, port: int | None = None, **env: str) -> str:
        """Write a definition for one host."""
        path = self.define(name, port, **env)
        self.write(path, f"host: {host}\n" + (self.clone / path).read_text())
        return path

    def on(self, name: str) -> list[tuple[str, str]]:
        """List a server's containers: on which host, in which state."""
        return sorted(
            (host, each["State"]) for host, machine in self.hosts.items()
            for each in machine.containers() if each["Labels"].get("zedops.server.name") == name
        )

    def runs_on(self, name: str, host: str) -> None:
        """Wait until a server has one container, on that host, and it runs."""
        self.wait_for(lambda: self.on(name) == [(host, "running")], 60)

    def of(self, host: str, name: str) -> dict[str, Any] | None:
        """Inspect a server's container on a host."""
        try:
            facts: dict[str, Any] = self.hosts[host].api.inspect_container(f"{self.fleet}-{name}")
        except docker.errors.NotFound:
            return None
        return facts

    def nats_pid(self) -> int:
        """Find the nats-server that the manager runs."""
        children: list[str] = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # that thread has ended since
                children += (task / "children").read_text().split()
        for pid in children:
            with contextlib.suppress(OSError):  # that one was git, and is done
                if Path(f"/proc/{pid}/comm").read_text() == "nats-server\n":
                    return int(pid)
        raise AssertionError(f"the manager runs no nats-server\n{self.said()}")

    def said(self) -> str:
        """What everybody said, for messages."""
        agents = [f"--- {name}\n{host.said()}" for name, host in self.hosts.items()]
        return "\n".join([super().said(), *agents])

    def tear_down(self) -> None:
        """Leave nothing behind."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.bridge.remove)
            for host in self.hosts.values():
                stack.callback(host.remove)
            stack.callback(super().tear_down)


@contextlib.contextmanager
def two_hosts(folder: Path, api: docker.APIClient, image: str) -> Iterator[Many]:
    """Set up a fleet with the hosts `attic` and `cellar`; skip the test where that cannot be."""
    if lacking := missing():
        without(lacking)
    packed = b"".join(api.get_image(image))
    made = Many(folder, api, image, packed, ("attic", "cellar"))
    try:
        made.begin()
        yield made
    finally:
        made.tear_down()
