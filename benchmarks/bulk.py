"""Many servers in one push: from its begin until every one runs, or is created where none is to.

    python -m benchmarks.bulk [RUNNING=50] [STOPPED=200] [ROUNDS=1]

Side by side in one run: the same containers through docker-py's low-level client, by as many
threads as the agent begins with; zedops; each docker compose that is installed; a stack, where the
Engine is a swarm. Then STOPPED servers with `desired: stopped`, which are created only.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks import figures, peers
from benchmarks.host import Events, machine
from tests.machine import Machine
from zedops_agent.pace import FIRST as WORKERS


def ports(count: int) -> list[int]:
    """Choose ports in a row, below those that the kernel hands out."""
    first = random.randrange(11_000, 31_000 - count)  # noqa: S311 - to meet nobody, not to hide
    return list(range(first, first + count))


def floor(host: Machine, events: Events, count: int, *, running: bool) -> tuple[float, float]:
    """Create (and start) through the API; returns seconds until the last, and of the slowest."""
    name, numbers = f"{host.fleet}-floor", ports(count)
    slowest = 0.0

    def one(at: int) -> None:
        nonlocal slowest
        begun = time.monotonic()
        made = peers.create(host, f"{name}{at}", port=numbers[at])
        if running:
            host.api.start(made)
        slowest = max(slowest, figures.timed(begun))

    begun = time.time()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(count)))
    last = max(events.time_of(f"{name}{at}") for at in range(count))
    peers.clear(host)
    return last - begun, slowest


def pushed(host: Machine, events: Events, count: int, *, running: bool) -> float:
    """Push many servers at once; returns the seconds from its begin until the last."""
    numbers = ports(count)
    for at in range(count):
        host.define(f"s{at}", numbers[at], desired=None if running else "stopped")
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", "begin")
    begun = time.time()
    host.git("push", "--quiet", "-o", "no-wait")
    return max(events.time_of(f"{host.fleet}-s{at}") for at in range(count)) - begun


def composed(host: Machine, made: peers.Compose, events: Events, count: int) -> float:
    """Bring many services up at once."""
    numbers = ports(count)
    services: Mapping[str, Mapping[str, int]] = {
        f"s{at}": {"port": numbers[at]} for at in range(count)
    }
    made.write(host, services)
    begun = time.time()
    made.up()
    last = max(events.time_of(f"{made.project}-s{at}") for at in range(count))
    peers.clear(host)
    return last - begun


def stacked(host: Machine, made: peers.Stack, events: Events, count: int) -> float:
    """Bring many services of a swarm up at once."""
    numbers = ports(count)
    made.write(host, {f"s{at}": {"port": numbers[at]} for at in range(count)})
    begun = time.time()
    made.up()
    last = max(events.time_of(f"{made.project}_s{at}") for at in range(count))
    made.down(host)
    return last - begun


@contextmanager
def fleet() -> Iterator[Machine]:
    """Have a fleet of its own for each round, and its containers removed by several hands."""
    with machine() as host:
        try:
            yield host
        finally:
            host.down()
            peers.remove_all(host)
            peers.clear(host)


def running(count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Measure servers that are to run."""
    bare, zedops = f"{count} × create + start, {WORKERS} at once", f"push of {count} servers"
    rows: dict[str, list[float]] = {bare: [], zedops: []}
    slowest = []
    for _ in range(rounds):
        with fleet() as host:
            events = Events(host.api, "start")
            took, slow = floor(host, events, count, running=True)
            rows[bare].append(took)
            slowest.append(slow)
            rows[zedops].append(pushed(host, events, count, running=True))
            for each in peers.composes(host):
                name = f"{each.name} up of {count}"
                rows.setdefault(name, []).append(composed(host, each, events, count))
            if (swarm := peers.stack(host)) is not None:
                name = f"{swarm.name} of {count}"
                rows.setdefault(name, []).append(stacked(host, swarm, events, count))
    found = figures.compare(rows, bare)
    found[f"slowest of {count} bare starts"] = figures.compare({"": slowest}, "")[""]
    return found


def stopped(count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Measure servers that are only created."""
    bare, zedops = f"{count} × create, {WORKERS} at once", f"push of {count} stopped servers"
    rows: dict[str, list[float]] = {bare: [], zedops: []}
    for _ in range(rounds):
        with fleet() as host:
            events = Events(host.api, "create")
            rows[bare].append(floor(host, events, count, running=False)[0])
            rows[zedops].append(pushed(host, events, count, running=False))
    return figures.compare(rows, bare)


def main(run: int, stop: int, rounds: int) -> None:
    """Measure, print, write."""
    print(f"load average before {os.getloadavg()[0]:.1f}")
    found = running(run, rounds) if run else {}
    found |= stopped(stop, rounds) if stop else {}
    figures.show(found)
    figures.write("bulk", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, running=50, stopped=200, rounds=1))
