"""A day of activity in minutes: what manager and agent hold stays what it was.

    python -m benchmarks.steady [ACTIVITY=500] [SERVERS=20]

ACTIVITY counts pushes and transitions of servers, as the commits tell them. Each round a person
edits five servers and pushes, and somebody removes five other containers behind zedops' back; the
servers are `desired: stopped`, so that the Engine has to make and to remove containers and nothing
else. Fifty times or so the process of `zedops up` is looked at: memory, open files, threads,
children.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import docker
import psutil

from benchmarks import figures
from benchmarks.bulk import fleet
from tests.machine import Machine

_EACH = 5
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


def edit(host: Machine, names: list[str], token: int) -> None:
    """Edit servers and push."""
    for name in names:
        host.define(name, desired="stopped", EDIT=str(token))
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", f"edit {token}")
    host.git("push", "--quiet", "-o", "no-wait")


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


def settled(host: Machine, names: list[str]) -> bool:
    """Say whether every server has the one container that it is to have."""
    there = [each["Names"][0] for each in host.containers()]
    return sorted(there) == sorted(f"/{host.fleet}-{name}" for name in names)


def live(host: Machine, activity: int, names: list[str]) -> list[Sample]:
    """Be active, and look now and then."""
    process = psutil.Process(host.pid)
    edit(host, names, -1)
    host.wait_for(lambda: settled(host, names), 300)
    host.pull()
    head, done, rounds = host.git("rev-parse", "main", cwd=host.hub).strip(), 0, 0
    found, following = [look(process, 0)], itertools.cycle(names)
    while done < activity:
        edit(host, [next(following) for _ in range(_EACH)], rounds)
        remove(host, [next(following) for _ in range(_EACH)])
        rounds += 1
        if rounds % 20 == 0:
            host.wait_for(lambda: settled(host, names), 300)
        host.pull()
        head, told = transitions(host.hub, host, head)
        done += told + 1
        if done >= activity * len(found) / _SAMPLES:
            found.append(look(process, done))
            print(*(f"{value:.0f} {name}" for name, value in vars(found[-1]).items()), flush=True)
    host.wait_for(lambda: settled(host, names), 300)
    found.append(look(process, done))
    return found


def main(activity: int, servers: int) -> None:
    """Measure, print, write."""
    with fleet() as host:
        begun = time.monotonic()
        samples = live(host, activity, [f"s{at}" for at in range(servers)])
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
