"""A host as a user has it: `zedops` on the command line, git, an Engine. For tests."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import docker

from zedops.system import failpoints

T = TypeVar("T")
DEADLINE_S = 30.0
#: Ports that the kernel gives to no connection, and to no program that asks for any port (ip(7)).
PORTS = range(20_000, 32_000)
#: The first stripe of these ports is for processes that are no worker of pytest-xdist.
STRIPES = 8


class Machine:
    """One host: a hub, a clone, a data root, and `zedops up` if started."""

    def __init__(self, folder: Path, api: docker.APIClient, image: str) -> None:
        self.folder, self.api, self.image = folder, api, image
        self.fleet = f"t{uuid.uuid4().hex[:8]}"
        self.clone = folder / self.fleet
        self.hub = folder / f"{self.fleet}.git"
        self.data_root = folder / "data"
        self.policy = folder / "agent.yaml"
        self.log = folder / "up.log"
        self.verbose = True
        #: The port of the web page; None for none, as several fleets run at once here.
        self.page: int | None = None
        self.page_address = "127.0.0.1"
        self._up: subprocess.Popen[bytes] | None = None

    # --- commands

    def zedops(
        self, *arguments: str, cwd: Path | None = None, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line and check its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "zedops", *arguments],
            cwd=cwd or (self.clone if self.clone.exists() else self.folder),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr, self.said())
        return done

    def check_hub(self) -> None:
        """See that the hub is whole.

        git looks through its folders one after the other: what is written meanwhile may be met
        without what it refers to, once. What is lost is lost the next time, too.
        """
        for _ in range(3):
            done = subprocess.run(["git", "fsck", "--strict"], cwd=self.hub, capture_output=True,
                                  text=True, check=False)
            if done.returncode == 0:
                return
        raise AssertionError(done.stdout + done.stderr)

    def git(self, *arguments: str, cwd: Path | None = None, code: int | None = 0) -> str:
        """Run git in the clone; returns what it said on both streams."""
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.clone, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )
        assert code is None or done.returncode == code, (arguments, done.stdout, self.said())
        return done.stdout

    def init(self) -> None:
        """Make the fleet."""
        self.zedops("init", self.fleet, cwd=self.folder)

    def command(self) -> list[str]:
        """Say what runs the fleet."""
        return ["up", str(self.clone), "--data-root", str(self.data_root),
                "--policy", str(self.policy), *(["-v"] if self.verbose else [])]

    def up(self, fault: str | None = None) -> None:
        """Start `zedops up` and wait until it is there; `fault` names where it dies."""
        with self.log.open("ab") as log:
            begun = log.tell()
            self._up = subprocess.Popen(
                [sys.executable, "-u", "-m", "zedops", *self.command()],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, **({failpoints.VARIABLE: fault} if fault else {}),
                     **({"ZEDOPS_WEB": f"{self.page_address}:{self.page}"} if self.page else {})},
            )
        self.wait_for(lambda: b"Ctrl-C ends" in self.log.read_bytes()[begun:] or self.died)
        assert fault or not self.died, self.said()

    @property
    def pid(self) -> int:
        """Name the process of `zedops up`."""
        assert self._up is not None
        return self._up.pid

    @property
    def died(self) -> bool:
        """Say whether `zedops up` ended by itself."""
        return self._up is not None and self._up.poll() is not None

    def down(self, *, kill: bool = False) -> None:
        """End `zedops up`, politely or with SIGKILL."""
        if self._up is None:
            return
        if kill:
            self._up.kill()
        else:
            self._up.terminate()
        code = self._up.wait(timeout=30)
        self._up = None
        assert kill or code == 0, (code, self.said())

    def said(self) -> str:
        """What `zedops up` said, for messages."""
        return self.log.read_text()[-6000:] if self.log.exists() else ""

    # --- files

    def write(self, path: str, text: str) -> None:
        """Write a file of the working copy."""
        target = self.clone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def define(
        self, name: str, port: int | None = None, *, desired: str | None = None, **env: str
    ) -> str:
        """Write a definition with a world; returns its path."""
        lines = [f"desired: {desired}"] if desired else []
        lines += [f"image: {self.image}", "volumes:", "  world: /data", "stop: {grace: 5s}"]
        if port is not None:
            lines += ["ports:", f'  web: "{port}:8080"']
        if env:
            lines += ["env:", *(f"  {key}: {value}" for key, value in env.items())]
        path = f"servers.d/{name}.yaml"
        self.write(path, "\n".join(lines) + "\n")
        return path

    def push(self, message: str) -> str:
        """Commit everything and push; returns what the push said."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)
        return self.git("push")

    def pull(self) -> None:
        """Pull; it must be a fast-forward or a clean rebase."""
        self.git("pull", "--quiet")

    def state(self, name: str) -> dict[str, Any]:
        """Read a server's facts as the hub has them."""
        rows = json.loads(self.zedops("list", "--all", "--json").stdout)
        found: dict[str, Any] = next((row for row in rows if row["name"] == name), {})
        return found

    def subjects(self) -> list[str]:
        """List the hub's commit subjects, newest first."""
        return self.git("log", "--format=%s", "main", cwd=self.hub).splitlines()

    # --- the host

    def containers(self, *, everything: bool = True) -> list[dict[str, Any]]:
        """List this fleet's containers."""
        found: list[dict[str, Any]] = self.api.containers(
            all=everything, filters={"label": f"zedops.fleet={self.fleet}"}
        )
        return found

    def container(self, name: str) -> dict[str, Any] | None:
        """Inspect a server's container; None if there is none under its name."""
        try:
            facts: dict[str, Any] = self.api.inspect_container(f"{self.fleet}-{name}")
        except docker.errors.NotFound:
            return None
        return facts

    def world(self, name: str) -> str:
        """Read what a server wrote into its world."""
        server_id: str = self.state(name)["id"]
        return (self.data_root / "servers" / server_id / "world" / "world.txt").read_text()

    def wait_world(self, name: str, starts: int) -> str:
        """Read the world of a server that began so often; it writes that down late.

        The Engine says that it runs before its first line was read.
        """
        self.wait_for(lambda: self.world(name).count("started") >= starts)
        return self.world(name)

    def get(self, port: int) -> str:
        """Ask a container over HTTP, as soon as it answers."""

        def ask() -> str:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                    text: str = answer.read().decode()
                    return text
            except (OSError, http.client.HTTPException):
                return ""

        return self.wait_for(ask)

    def wait_for(self, look: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
        """Look until there is something to see; fails at the deadline."""
        deadline = time.monotonic() + deadline_s
        while True:
            if found := look():
                return found
            assert time.monotonic() < deadline, f"waited {deadline_s} s in vain\n{self.said()}"
            time.sleep(0.02)

    def volumes(self) -> list[str]:
        """Name the volumes that zedops made for this fleet."""
        found = self.api.volumes(filters={"label": f"zedops.fleet={self.fleet}"})
        return [each["Name"] for each in found["Volumes"] or []]

    def tear_down(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(AssertionError):
            self.down()
        for each in self.containers():
            self.api.remove_container(each["Id"], force=True, v=True)
        for name in self.volumes():
            self.api.remove_volume(name)
        for place in ("/run", "/dev/shm"):  # noqa: S108 - the fleet's own
            for top in Path(place).glob("zedops-secrets*"):
                shutil.rmtree(top / self.fleet, ignore_errors=True)


def free_port() -> int:
    """Find a port that is free over TCP and UDP, and that no other test here gets.

    A test may use it seconds later. Only a process that asks for more than 1,500 may get one twice.
    """
    for port in itertools.islice(_ports(), len(PORTS) // STRIPES):
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as probe:
                    probe.bind(("", port))
            return port
    raise AssertionError("no port is free")


def free_ports(count: int) -> list[int]:
    """Find so many ports, each as `free_port` does."""
    return [free_port() for _ in range(count)]


@functools.cache
def _ports() -> Iterator[int]:
    """Give each port in turn that is this worker's of all that run at once (pytest-xdist)."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    stripe = PORTS[int(worker) % (STRIPES - 1) + 1 if worker else 0 :: STRIPES]
    # not what every test has that begins with the same seed (pytest-randomly)
    return itertools.cycle(random.SystemRandom().sample(stripe, len(stripe)))


def became(said: str, name: str, end: str) -> bool:
    """Whether a push says that a server came to this end, by any way.

    A status that was over before the push began to look is not in its line.
    """
    return re.search(rf"remote: {re.escape(name)} (?:[^…\n]+ … )*{end}", said) is not None
