"""One edit of a server that runs: from the begin of `git push` to the new container's start.

    python -m benchmarks.one_change [ROUNDS]

Interleaved in one run, each from its own begin to the Engine's own time of the start event: the
floor (stop, remove, create, start through docker-py's low-level client), zedops, each docker
compose that is installed. And what git alone takes: the same push into a bare repository without
hooks. Servers take turns, because zedops keeps a previous container for 10 s, and people do not
edit the same server every second.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks import figures, peers
from benchmarks.host import Events, machine, pushed
from tests.machine import Machine, free_port, free_ports

FLOOR = "stop + remove + create + start through the bare API"
PUSH = "begin of git push → start event"
END = "end of git push → start event"
WHOLE = "begin → end of git push"
BARE = "git push into a bare repository without hooks"
SERVERS = 8


def floor(host: Machine, events: Events, at: int, port: int) -> float:
    """Recreate through the API."""
    name, begun = f"{host.fleet}-bare", time.time()
    peers.recreate(host, name, port=port, EDIT=str(at))
    return events.time_of(name) - begun


def push(host: Machine, events: Events, at: int, ports: list[int]) -> tuple[float, float, float]:
    """Edit and push; returns seconds from begin to start, from end to start, begin to end."""
    name = f"s{at % SERVERS}"
    host.wait_for(lambda: count(host, name) == 1)
    host.define(name, ports[at % SERVERS], EDIT=str(at))
    host.git("commit", "--quiet", "--all", "-m", f"edit {at}")
    begun, ended, started = pushed(host, events, name)
    return started - begun, started - ended, ended - begun


def count(host: Machine, name: str) -> int:
    """Count a server's containers: two until the newer one has proven itself."""
    named = [each["Names"][0] for each in host.containers()]
    return sum(f"/{host.fleet}-{name}" in (each, each.removesuffix("-previous")) for each in named)


def bare_push(clone: Path, at: int) -> float:
    """Push one changed file to a repository without hooks."""
    (clone / "servers.d" / "s.yaml").write_text(f"image: x\nenv:\n  EDIT: '{at}'\n")
    subprocess.run(["git", "commit", "--quiet", "--all", "-m", f"edit {at}"], cwd=clone, check=True)
    begun = time.monotonic()
    subprocess.run(["git", "push", "--quiet"], cwd=clone, check=True, capture_output=True)
    return figures.timed(begun)


def bare_clone(host: Machine) -> Path:
    """Make a repository without hooks, and a clone of it."""
    hub, clone = host.folder / "plain.git", host.folder / "plain"
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(hub)],
        ["git", "-C", str(hub), "config", "core.fsync", "all"],
        ["git", "clone", "--quiet", str(hub), str(clone)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    (clone / "servers.d").mkdir()
    (clone / "servers.d" / "s.yaml").write_text("image: x\n")
    for arguments in (["add", "--all"], ["commit", "--quiet", "-m", "begin"],
                      ["push", "--quiet", "origin", "HEAD:main"]):
        subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)
    return clone


def compose(
    host: Machine, made: peers.Compose, events: Events, at: int, port: int
) -> float:
    """Edit and bring up."""
    made.write(host, {"s": {"port": port, "env": {"EDIT": str(at)}}})
    begun = time.time()
    made.up()
    return events.time_of(f"{made.project}-s") - begun


def main(rounds: int) -> None:
    """Measure, print, write."""
    names = (FLOOR, PUSH, END, WHOLE, BARE)
    rows: dict[str, list[float]] = {name: [] for name in names}
    with machine() as host:
        events = Events(host.api, "start")
        try:
            others = peers.composes(host)
            rows |= {each.name: [] for each in others}
            ports = {name: free_port() for name in ("floor", *(each.name for each in others))}
            mine = free_ports(SERVERS)
            clone = bare_clone(host)
            host.api.start(peers.create(host, f"{host.fleet}-bare", port=ports["floor"]))
            events.time_of(f"{host.fleet}-bare")
            for at, port in enumerate(mine):
                host.define(f"s{at}", port)
            host.push("begin")
            for at in range(SERVERS):
                events.time_of(f"{host.fleet}-s{at}")
            host.pull()
            for each in others:
                compose(host, each, events, -1, ports[each.name])
            for at in range(rounds):
                rows[FLOOR].append(floor(host, events, at, ports["floor"]))
                for name, took in zip((PUSH, END, WHOLE), push(host, events, at, mine),
                                      strict=True):
                    rows[name].append(took)
                rows[BARE].append(bare_push(clone, at))
                for each in others:
                    rows[each.name].append(compose(host, each, events, at, ports[each.name]))
        finally:
            peers.clear(host)
    found = figures.compare(rows, FLOOR)
    figures.show(found)
    figures.write("one_change", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, rounds=20))
