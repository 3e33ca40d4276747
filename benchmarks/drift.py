"""How soon git says what happened to a container behind zedops' back.

    python -m benchmarks.drift [ROUNDS] [STORM]

One at a time: a container is removed, stopped, killed, or its data directory goes; measured from
its `die` event (or the end of that removal, which the Engine does not see) to the move of main
that carries the state commit. Then STORM containers are killed at the same moment; measured for
each from its own `die` event to the commit that names it, and beside it, without zedops, to the
first inspection that shows it ended: no program can see it earlier. Between rounds
everything is back to running.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import figures, git, peers
from benchmarks.host import Events, events, machine, percentiles
from tests.machine import Machine
from zedops_agent.limiter import FIRST, LOOKS

DATA = "data directory removed"


def hands(host: Machine) -> dict[str, Callable[[str], None]]:
    """Say what people do behind zedops' back, by name."""

    def lose_data(name: str) -> None:
        shutil.rmtree(host.data_root / "servers" / host.state(name)["id"] / "world")

    def of(name: str) -> str:
        return f"{host.fleet}-{name}"

    return {
        "docker rm -f": lambda name: host.api.remove_container(of(name), force=True),
        "docker stop": lambda name: host.api.stop(of(name), timeout=5),
        "docker kill": lambda name: host.api.kill(of(name)),
        DATA: lose_data,
    }


def one(host: Machine, events: Events, name: str, what: str) -> float:
    """Do one thing; returns seconds from its event to the state commit."""
    ref = host.hub / "refs/heads/main"
    before = ref.read_text()
    with ThreadPoolExecutor(1) as pool:  # the commit may be there before the act returns
        moved = pool.submit(git.wait_moved, ref, before)
        hands(host)[what](name)
        done = time.time() if what == DATA else events.time_of(f"{host.fleet}-{name}")
        return moved.result() - done


def storm(host: Machine, names: list[str], events: Events) -> list[float]:
    """Kill many at once; returns for each the seconds from its end to the commit that names it."""
    before = host.git("rev-parse", "main", cwd=host.hub).strip()
    with ThreadPoolExecutor(16) as pool:
        kills = [pool.submit(host.api.kill, f"{host.fleet}-{name}") for name in names]
        moved = follow(host, before, set(names))
    for each in kills:
        each.result()
    return [moved[name] - events.time_of(f"{host.fleet}-{name}") for name in names]


def bare_storm(host: Machine, count: int) -> list[float]:
    """Kill as many without zedops; returns for each the seconds until it is seen to have ended."""
    ids = [peers.create(host, f"{host.fleet}-bare{at}", restart="no") for at in range(count)]
    with ThreadPoolExecutor(FIRST) as pool:
        list(pool.map(host.api.start, ids))
    stream: Any = events(host.api, "die", label=f"zedops.fleet={peers.label(host)}")

    def inspect(event: dict[str, Any]) -> float:
        while host.api.inspect_container(event["id"])["State"]["Running"]:
            time.sleep(0.001)
        return time.time() - float(event["timeNano"]) / 1e9

    with ThreadPoolExecutor(16) as killing, ThreadPoolExecutor(LOOKS) as looking:
        kills = [killing.submit(host.api.kill, each) for each in ids]
        looks = [looking.submit(inspect, event) for event in itertools.islice(stream, count)]
        found = [each.result() for each in looks]
    for each in kills:
        each.result()
    stream.close()
    peers.clear(host)
    return found


def follow(host: Machine, before: str, names: set[str]) -> dict[str, float]:
    """Watch main; returns for each server when a commit first named it."""
    ref, found = host.hub / "refs/heads/main", dict[str, float]()
    deadline = time.monotonic() + 120
    while names - found.keys():
        now, at = ref.read_text().strip(), time.time()
        if now != before:
            said = host.git("diff", "--name-only", before, now, cwd=host.hub)
            for name in names & {line[10:-5] for line in said.splitlines()}:
                found.setdefault(name, at)
            before = now
        if time.monotonic() > deadline:
            sys.exit(f"never committed: {names - found.keys()}")
        time.sleep(0.001)
    return found


def calm(host: Machine, names: list[str]) -> None:
    """Wait until every server runs and git says so."""
    def running() -> bool:
        rows = json.loads(host.zedops("list", "--json").stdout)
        return all(row["status"] == "running" for row in rows if row["name"] in names)

    host.wait_for(running, 180)
    git.wait_still(host.hub / "refs/heads/main", 0.7)


def main(rounds: int, count: int) -> None:
    """Measure and print; the last line is JSON."""
    results = {}
    with machine() as host:
        events = Events(host.api, "die")
        names = [f"s{at}" for at in range(count)]
        for name in names:
            host.define(name)
        host.push("begin")
        host.wait_for(lambda: host.state(names[-1]).get("data_exists"), 180)
        calm(host, names)
        every: list[float] = []
        for what in hands(host):
            took = []
            for at in range(rounds):
                name = f"{what.split()[-1].strip('-')}{at}"
                host.define(name)
                host.push(name)
                host.wait_for(lambda name=name: host.state(name).get("data_exists"))  # type: ignore[misc]
                calm(host, [name])
                took.append(one(host, events, name, what))
                host.pull()
                host.zedops("delete", name, "--yes", "--wait")
                host.pull()
            results[what] = percentiles(took)
            every += took
        results["any of these"] = percentiles(every)
        results[f"{count} killed at once"] = percentiles(storm(host, names, events))
        host.down()
        peers.remove_all(host)
        results[f"{count} killed at once, bare: seen ended"] = percentiles(
            bare_storm(host, count)
        )
    for what, row in results.items():
        print(f"{what:40}" + "".join(f"  {key} {value:8.1f}" for key, value in row.items()))
    figures.write("drift", results)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, rounds=25, storm=50))
