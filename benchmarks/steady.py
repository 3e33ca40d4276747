"""A day of activity in minutes: what manager and agent hold stays what it was.

    python -m benchmarks.steady [ACTIVITY=500] [SERVERS=20]

ACTIVITY counts pushes and transitions of servers, as the commits tell them. In each round a person
edits five servers, purges the oldest with its data and adds one under a name that never was, all in
one push, and removes five other containers behind zedops' back. One server in seven runs,
a container that does nothing; the others are `desired: stopped`, so that the Engine has to make and
to remove containers and little else. Fifty times or so the process of `zedops up` is looked at:
memory, open files, threads, children.

Covered is what could be kept of servers that came and went: files, ids, tombstones, containers,
data directories. Not covered: NATS and more hosts than one (manager and agent are one process
here), pulls of images, ports, secrets, an upstream, retentions that end by the clock.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
import psutil

from benchmarks import figures
from benchmarks.bulk import fleet
from tests.machine import Machine

_EACH = 5
#: One server in so many runs.
_RUNS = 7
#: After so many rounds nothing is to be left to do.
_SETTLES = 10
_DEADLINE_S = 300
_SAMPLES = 50
_TRAILER = "%(trailers:key=Zedops-Transition,valueonly)"


@dataclass(frozen=True)
class Sample:
    """What the process held after so much activity."""

    activity: int
    at_s: float
    memory_mb: float
    files: int
    threads: int
    children: int


def look(process: psutil.Process, activity: int) -> Sample:
    """Look at the process, in which manager and agent are."""
    with process.oneshot():
        return Sample(
            activity, time.monotonic(), process.memory_info().rss / 1e6, process.num_fds(),
            process.num_threads(), len(process.children(recursive=True)),
        )


class Servers:
    """The names of those that are to be there, the oldest first; each has a number of its own."""

    def __init__(self, count: int) -> None:
        self.names = [f"s{at}" for at in range(count)]
        self._made, self._at = count, 0

    def replace(self) -> tuple[str, str]:
        """Let the oldest go and a new one come; returns both names."""
        self.names.append(f"s{self._made}")
        self._made += 1
        return self.names.pop(0), self.names[-1]

    def following(self, count: int) -> list[str]:
        """Name the next ones in turn, so that each has its share."""
        self._at += count
        return [self.names[at % len(self.names)] for at in range(self._at - count, self._at)]


def runs(name: str) -> bool:
    """Say whether a server is to run."""
    return int(name[1:]) % _RUNS == 0


def define(host: Machine, name: str, edit: int) -> None:
    """Write a server's file; no two servers' are the same, or one would be the other, renamed."""
    host.define(name, desired=None if runs(name) else "stopped", NAME=name, EDIT=str(edit))


def begin(host: Machine, names: Sequence[str]) -> None:
    """Have the first servers."""
    for name in names:
        define(host, name, -1)
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", "begin")
    host.git("push", "--quiet", "-o", "no-wait")
    host.wait_for(lambda: settled(host, names), _DEADLINE_S)
    host.pull()


def change(host: Machine, servers: Servers, number: int) -> None:
    """Replace a server, edit others, push."""
    gone, new = servers.replace()
    path = host.clone / f"servers.d/{gone}.yaml"
    host.write(f"tombstones.d/{gone}.yaml", f"purge: data\n{path.read_text()}")
    path.unlink()
    for name in {new, *servers.following(_EACH)}:
        define(host, name, number)
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", f"round {number}")
    host.git("push", "--quiet", "-o", "no-wait", "-o", f"allow-delete={gone}")


def remove(host: Machine, names: list[str]) -> None:
    """Remove containers by hand, where they are there."""
    for name in names:
        with contextlib.suppress(docker.errors.APIError):
            host.api.remove_container(f"{host.fleet}-{name}", force=True)


def transitions(hub: Path, host: Machine, since: str) -> tuple[str, int]:
    """Count what the commits since one tell; returns the newest of them, too."""
    head = host.git("rev-parse", "main", cwd=hub).strip()
    said = host.git("log", f"--format={_TRAILER}", f"{since}..{head}", cwd=hub)
    return head, len([line for line in said.splitlines() if line])


def settled(host: Machine, names: Sequence[str]) -> bool:
    """Say whether every server has its container, in the right state, and no other server any.

    What a new container took the place of stays for some seconds, until that one has proven itself.
    """
    there = {each["Names"][0]: each["State"] for each in host.containers()
             if not each["Names"][0].endswith("-previous")}
    if there.keys() != {f"/{host.fleet}-{name}" for name in names}:
        return False
    if any(there[f"/{host.fleet}-{name}"] != "running" for name in names if runs(name)):
        return False
    return not host.git("ls-tree", "main", "tombstones.d/", cwd=host.hub)


def bare(host: Machine, names: Sequence[str]) -> bool:
    """Say whether nothing else is left either: no container, no data directory."""
    directories = [each for each in (host.data_root / "servers").iterdir() if each.is_dir()]
    return settled(host, names) and len(host.containers()) == len(names) == len(directories)


def live(host: Machine, activity: int, servers: Servers) -> list[Sample]:
    """Be active, and look now and then."""
    process = psutil.Process(host.pid)
    begin(host, servers.names)
    head, done, rounds = host.git("rev-parse", "main", cwd=host.hub).strip(), 0, 0
    found = [look(process, 0)]
    while done < activity:
        change(host, servers, rounds)
        remove(host, servers.following(_EACH))
        rounds += 1
        if rounds % _SETTLES == 0:
            host.wait_for(lambda: settled(host, servers.names), _DEADLINE_S)
        host.pull()
        head, told = transitions(host.hub, host, head)
        done += told + 1
        if done >= activity * len(found) / _SAMPLES:
            found.append(look(process, done))
            print(*(f"{value:.0f} {name}" for name, value in vars(found[-1]).items()), flush=True)
    host.wait_for(lambda: bare(host, servers.names), _DEADLINE_S)
    found.append(look(process, done))
    return found


def main(activity: int, servers: int) -> None:
    """Measure, print, write."""
    with fleet() as host:
        begun = time.monotonic()
        samples = live(host, activity, Servers(servers))
        took = figures.timed(begun)
    found: dict[str, float] = {"activity": samples[-1].activity, "seconds": round(took, 1)}
    third = max(1, len(samples) // 3)
    for what in ("memory_mb", "files", "threads", "children"):
        values = [getattr(each, what) for each in samples]
        found[f"{what}: first"] = round(values[0], 1)
        found[f"{what}: median of the second third"] = round(
            statistics.median(values[third : 2 * third] or values), 1
        )
        found[f"{what}: median of the last third"] = round(statistics.median(values[-third:]), 1)
        found[f"{what}: most"] = round(max(values), 1)
    for name, each in found.items():
        print(f"{name:48} {each:12.1f}")
    figures.write("steady", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, activity=500, servers=20))
