"""A fleet of many hosts to measure on: hub and manager. Real ones, removed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks import git
from tests.machine import free_port
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.errors import GitFailed, RaceLost
from zedops.git.objects import Signature
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN

#: What was measured, by name; seconds unless the name says otherwise.
Figures = dict[str, float]

_DEFINITION = """\
host: {host}
image: registry.example/games/server:1.4
ports:
  game: {game}/udp
  direct: {direct}/udp
  rcon: {{container: 27015/tcp, publish: none}}
env:
  SERVER_NAME: {name}
  DEFAULT_PORT: ${{ports.game}}
  MAX_PLAYERS: "16"
  PUBLIC: "true"
  EDIT: begin
secrets: [ADMIN_PASSWORD]
volumes:
  world: /world
  install: {{path: /install, kind: cache}}
limits: {{memory: 6GiB, cpus: 2}}
stop: {{grace: 60s}}

# --- state: written by zedops; edits below this line are overwritten
"""


class Site:
    """The hub and its manager, and people who change the fleet."""

    def __init__(self, folder: Path, agents: int, servers: int) -> None:
        git.isolate(folder)
        self.folder, self._servers = folder, servers
        self.hosts = [f"h{at:04}" for at in range(agents)]
        self.hub = Hub.create(folder / "fleet.git")
        self._ref = self.hub.path / MAIN
        self._clone = folder / "clone"
        self._log = folder / "manager.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: Callable[[], None] | None = None
        self.port = free_port()
        #: How long the pre-receive hook of the newest push took.
        self.pre_receive_s = 0.0
        self._begin()

    def name(self, at: int) -> str:
        """Name the server that is changed the `at`-th time: each on another host."""
        return f"{self.hosts[at * 7 % len(self.hosts)]}-s{at % self._servers}"

    def _path(self, name: str) -> str:
        return f"servers.d/{name.partition('-')[0]}/{name}.yaml"

    def _begin(self) -> None:
        hosts = ", ".join(self.hosts)
        settings = f"name: crowd\nhosts: [{hosts}]\n"
        files: dict[str, bytes | None] = {"zedops.yaml": settings.encode()}
        for host in self.hosts:
            for at in range(self._servers):
                name, game = f"{host}-s{at}", 20000 + 2 * at
                text = _DEFINITION.format(host=host, name=name, game=game, direct=game + 1)
                files[self._path(name)] = text.encode()
        who = Signature("Bench", "bench@example.org", int(time.time()))
        commit = self.hub.repository.write_commit([], files, "Begin\n", who, who)
        self.hub.repository.run("update-ref", MAIN, commit)

    def credentials(self) -> tuple[str, dict[str, str]]:
        """Let every host in; returns the authority's certificate and the hosts' credentials."""
        authority, found = Authority.open(self.hub.runtime / "nats"), {}
        for host in self.hosts:
            seed = jwt.new_seed(Role.USER)
            user_jwt = authority.issue(host, jwt.public_key(seed), datetime.now(UTC))
            found[host] = Credentials(user_jwt, seed).text
        return authority.ca_pem, found

    # --- the manager

    @property
    def manager(self) -> psutil.Process:
        """The manager's process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def nats(self) -> psutil.Process:
        """Its nats-server's."""
        return next(each for each in self.manager.children() if each.name() == "nats-server")

    def start_manager(self) -> float:
        """Start the manager; returns the seconds until it says that it is there."""
        begun = time.monotonic()
        with self._log.open("ab") as log:
            offset = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "zedops", "manager", str(self.hub.path),
                 "--advertise", f"tls://localhost:{self.port}",
                 "--listen", f"127.0.0.1:{self.port}"],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )
        process = self._process

        def ready() -> bool:
            if process.poll() is not None:
                sys.exit(f"the manager ended: {self._log.read_text()[-2000:]}")
            with self._log.open("rb") as log:
                log.seek(offset)
                return b"Ctrl-C ends" in log.read()

        git.wait_for(ready, "the manager begins")
        return time.monotonic() - begun

    def kill_manager(self) -> float:
        """Kill it without a warning; returns when that was."""
        assert self._process is not None
        nats, killed = self.nats, time.monotonic()
        self._process.kill()
        self._process.wait()
        nats.wait(git.DEADLINE_S)
        return killed

    def kill_nats(self) -> float:
        """Kill its nats-server; returns when that was."""
        nats, killed = self.nats, time.monotonic()
        nats.kill()
        return killed

    def ends(self, with_it: Callable[[], None]) -> None:
        """Take note of what is to end before everything else."""
        self._ends = with_it

    def stop(self) -> None:
        """End every process."""
        if self._ends is not None:
            self._ends()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(git.DEADLINE_S)

    def wait(self, seconds: float) -> float:
        """Let time pass; returns how much really did."""
        begun = time.monotonic()
        threading.Event().wait(seconds)
        return time.monotonic() - begun

    # --- what is in git

    def all_running(self) -> float:
        """Wait until git says that every server runs; returns when that was seen."""
        total, looked_at = len(self.hosts) * self._servers, ""

        def look() -> bool:
            nonlocal looked_at
            before, looked_at = looked_at, self._ref.read_text().strip()
            return before != looked_at and self._count_running(looked_at) == total

        git.wait_for(look, "every server runs, says git")
        return time.monotonic()

    def _count_running(self, commit: str) -> int:
        try:
            out = self.hub.repository.pipe("grep", "-l", 'status: "running"', commit, "--")
        except GitFailed:  # git grep's way of saying that there are none
            return 0
        return len(out.splitlines())

    def settle(self) -> None:
        """Wait until main has stood still for as long as the manager may wait with a commit."""
        git.wait_still(self._ref, 0.5)

    def commit_edit(self, at: int) -> float:
        """Change a server by a commit of this process; returns when main moved."""
        path, repository = self._path(self.name(at)), self.hub.repository
        who = Signature("Bench", "bench@example.org", int(time.time()))
        while True:
            held = self._ref.read_text().strip()
            entry = repository.tree(held, path)[path]
            text = repository.objects.blobs([entry.blob])[entry.blob].decode()
            files: dict[str, bytes | None] = {path: _edited(text, f"c{at}").encode()}
            new = repository.write_commit([held], files, "Edit\n", who, who)
            watch = git.Watch(self._ref, held)
            try:
                repository.move_ref(MAIN, new, held)
            except RaceLost:  # a state that was late: on top of that, then
                continue
            return watch.moved()

    def push_edit(self, at: int) -> tuple[float, float]:
        """Change a server as a person does; returns when main moved, and when the push began."""
        if not self._clone.exists():
            self._git("clone", "--quiet", str(self.hub.path), str(self._clone), cwd=self.folder)
            self._git("config", "remote.origin.push", "HEAD:refs/for/main")
        self._git("pull", "--quiet", "--ff-only")
        file = self._clone / self._path(self.name(at))
        file.write_text(_edited(file.read_text(), f"p{at}"))
        self._git("commit", "--quiet", "--all", "-m", f"edit {at}")
        watch = git.Watch(self._ref, self._ref.read_text().strip())
        begun = time.monotonic()
        trace = self.folder / "push.trace"
        trace.unlink(missing_ok=True)
        self._git("push", "--quiet", "-o", "no-wait", GIT_TRACE2_EVENT=str(trace))
        self.pre_receive_s = git.hook_s(trace, "hooks/pre-receive")
        return watch.moved(), begun

    def people(self) -> Path:
        """Name the clone in which a person works."""
        return self._clone

    def _git(self, *arguments: str, cwd: Path | None = None, **env: str) -> None:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self._clone, capture_output=True, text=True,
            check=False, env={**os.environ, **env},
        )
        if done.returncode:
            sys.exit(f"git {arguments[0]}: {done.stderr}")


def _edited(text: str, edit: str) -> str:
    lines = [f"  EDIT: {edit}" if line.startswith("  EDIT:") else line for line in text.split("\n")]
    return "\n".join(lines)
