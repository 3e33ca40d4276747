"""A fleet of many hosts to measure on: hub, manager, agents. Real ones, removed afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.machine import free_port
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.errors import GitFailed
from zedops.hub import MAIN, Hub
from zedops.objects import Signature

#: What was measured, by name; seconds unless the name says otherwise.
Figures = dict[str, float]

DEADLINE_S = 180.0
_PROCESSES = 2
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


def wait_for(look: Callable[[], object], what: str) -> None:
    """Look every millisecond until there is something to see."""
    deadline = time.monotonic() + DEADLINE_S
    while not look():
        if time.monotonic() > deadline:
            sys.exit(f"waited {DEADLINE_S:.0f} s in vain: {what}")
        time.sleep(0.001)


class Site:
    """The hub and its manager, and people who change the fleet."""

    def __init__(self, folder: Path, agents: int, servers: int) -> None:
        for key in [key for key in os.environ if key.startswith("GIT_")]:
            del os.environ[key]
        config = folder / "gitconfig"
        config.write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        os.environ["GIT_CONFIG_GLOBAL"] = str(config)
        self.folder, self._servers = folder, servers
        self.hosts = [f"h{at:04}" for at in range(agents)]
        self.hub = Hub.create(folder / "fleet.git")
        self._ref = self.hub.path / MAIN
        self._clone = folder / "clone"
        self._log = folder / "manager.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._crowd: Crowd | None = None
        self.port = free_port()
        #: How long the pre-receive hook of the newest push took.
        self.pre_receive_s = 0.0
        self._moved = self._begin()

    def name(self, at: int) -> str:
        """Name the server that is changed the `at`-th time: each on another host."""
        return f"{self.hosts[at * 7 % len(self.hosts)]}-s{at % self._servers}"

    def _path(self, name: str) -> str:
        return f"servers.d/{name.partition('-')[0]}/{name}.yaml"

    def _begin(self) -> str:
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
        return commit

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

        wait_for(ready, "the manager begins")
        return time.monotonic() - begun

    def kill_manager(self) -> float:
        """Kill it without a warning; returns when that was."""
        assert self._process is not None
        nats, killed = self.nats, time.monotonic()
        self._process.kill()
        self._process.wait()
        nats.wait(DEADLINE_S)
        return killed

    def kill_nats(self) -> float:
        """Kill its nats-server; returns when that was."""
        nats, killed = self.nats, time.monotonic()
        nats.kill()
        return killed

    def run(self, crowd: Crowd) -> None:
        """Take note of the agents, to end them with everything else."""
        self._crowd = crowd

    def stop(self) -> None:
        """End every process."""
        if self._crowd is not None:
            self._crowd.stop()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)

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

        wait_for(look, "every server runs, says git")
        return time.monotonic()

    def _count_running(self, commit: str) -> int:
        try:
            out = self.hub.repository.pipe("grep", "-l", 'status: "running"', commit, "--")
        except GitFailed:  # git grep's way of saying that there are none
            return 0
        return len(out.splitlines())

    def settle(self) -> None:
        """Wait until main has stood still for as long as the manager may wait with a commit."""
        since, held = time.monotonic(), self._ref.read_text()
        while time.monotonic() - since < 0.5:
            if (now := self._ref.read_text()) != held:
                since, held = time.monotonic(), now
            time.sleep(0.005)
        self._moved = held.strip()

    def commit_edit(self, at: int) -> float:
        """Change a server by a commit of this process; returns when main had moved."""
        path, repository = self._path(self.name(at)), self.hub.repository
        entry = repository.tree(self._moved, path)[path]
        text = repository.blobs([entry.blob])[entry.blob]
        who = Signature("Bench", "bench@example.org", int(time.time()))
        new = repository.write_commit(
            [self._moved], {path: _edited(text.decode(), f"c{at}").encode()}, "Edit\n", who, who
        )
        watch = _Watch(self._ref, self._moved)
        repository.move_ref(MAIN, new, self._moved)
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
        watch = _Watch(self._ref, self._ref.read_text().strip())
        begun = time.monotonic()
        trace = self.folder / "push.trace"
        trace.unlink(missing_ok=True)
        self._git("push", "--quiet", "-o", "no-wait", GIT_TRACE2_EVENT=str(trace))
        self.pre_receive_s = hook_s(trace, "hooks/pre-receive")
        return watch.moved(), begun

    def people(self) -> Path:
        """Name the clone in which somebody works."""
        return self._clone

    def _git(self, *arguments: str, cwd: Path | None = None, **env: str) -> None:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self._clone, capture_output=True, text=True,
            check=False, env={**os.environ, **env},
        )
        if done.returncode:
            sys.exit(f"git {arguments[0]}: {done.stderr}")


def hook_s(trace: Path, name: str) -> float:
    """Read from git's own trace of a push how long a hook took."""
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    begun = next(each for each in events
                 if each["event"] == "child_start" and name in each["argv"][0])
    ended = next(each for each in events if each["event"] == "child_exit"
                 and (each["sid"], each["child_id"]) == (begun["sid"], begun["child_id"]))
    return float(ended["t_rel"])


def _edited(text: str, edit: str) -> str:
    lines = [f"  EDIT: {edit}" if line.startswith("  EDIT:") else line for line in text.split("\n")]
    return "\n".join(lines)


class _Watch(threading.Thread):
    """Sees when a ref's file says something else, to the millisecond.

    What counts is the last moment at which it had not moved: seen late, on a busy machine, a move
    would seem to come after what it led to.
    """

    def __init__(self, ref: Path, before: str) -> None:
        super().__init__(daemon=True)
        self._ref, self._before, self._stood_at = ref, before, time.monotonic()
        self.start()

    def run(self) -> None:
        """Look."""
        wait_for(self._has_moved, "main moves")

    def _has_moved(self) -> bool:
        looked_at = time.monotonic()
        if self._ref.read_text().strip() != self._before:
            return True
        self._stood_at = looked_at
        return False

    def moved(self) -> float:
        """Wait until it has moved; returns when it was last seen not to have."""
        self.join()
        return self._stood_at


class Crowd:
    """Every agent, and what each was last seen to do."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._processes: list[subprocess.Popen[str]] = []
        self._seen: dict[tuple[str, str], float] = {}
        self._edits: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        ca, credentials = site.credentials()
        for at in range(_PROCESSES):
            mine = {host: credentials[host] for host in site.hosts[at::_PROCESSES]}
            url = f"tls://localhost:{site.port}"
            crowd = {"url": url, "ca": ca, "hosts": mine}
            (site.folder / f"crowd{at}.json").write_text(json.dumps(crowd))
        site.run(self)

    def start(self) -> float:
        """Let all connect at once; returns when that was."""
        begun = time.monotonic()
        for at in range(_PROCESSES):
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.agents", f"{self._site.folder}/crowd{at}.json"],
                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            )
            self._processes.append(process)
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return begun

    def stop(self) -> None:
        """End them."""
        for process in self._processes:
            process.terminate()
            process.wait(DEADLINE_S)

    def all_did(self, what: str, since: float) -> float:
        """Wait until every agent did something; returns the seconds from `since` to the last."""
        hosts = self._site.hosts

        def done() -> bool:
            return all(self._seen.get((host, what), 0.0) > since for host in hosts)

        with self._changed:
            if not self._changed.wait_for(done, DEADLINE_S):
                late = [host for host in hosts if self._seen.get((host, what), 0.0) <= since]
                sys.exit(f"{len(late)} agents, such as {late[0]}, were never {what}")
            return max(self._seen[host, what] for host in hosts) - since

    def told(self, server: str, edit: str) -> float:
        """Wait until a server's host was pushed an edit; returns when that was."""
        with self._changed:
            if not self._changed.wait_for(lambda: (server, edit) in self._edits, DEADLINE_S):
                sys.exit(f"the host of {server} was never told of edit {edit}")
            return self._edits[server, edit]

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            said = json.loads(line)
            with self._changed:
                # what is asked for is the first time since some moment, seen by all: keep the last
                self._seen[said["host"], said["what"]] = said["at"]
                for server, edit in said.get("edits", {}).items():
                    self._edits[server, edit] = said["at"]
                self._changed.notify_all()
