"""Many servers in one push: from its begin until every one runs, or is created where none is to.

    python -m benchmarks.bulk [RUNNING=50] [STOPPED=200] [ROUNDS=1]

Side by side in one run, each on an Engine that has none of the others' containers, in another
order each round: the same containers through docker-py's low-level client, as many at once as the
agent's own rule allows (`limiter`); zedops; each docker compose that is installed; a stack, where
the
Engine is a swarm. Then STOPPED servers with `desired: stopped`, which are created only.

Where servers run, one more round goes through a relay that times each start. The slowest, from
request to answer, is the longest wait of a person for a single server. The relay costs a thread for
each connection; no other figure includes that.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import figures, peers
from benchmarks.host import Events, machine, through
from tests.machine import Machine, free_ports
from tests.relay import Relay
from zedops_agent.limiter import MOST, Limiter

_START = re.compile(rb"POST (/v[0-9.]+)?/containers/[^/]+/start[ ?]")

#: From so many on, each turn waits until the inodes of what was removed before may be given out
#: again: until then ext4 looks past every one of them for each file that is made, which is a third
#: of the time of who makes most files (`recently_deleted` in fs/ext4/ialloc.c).
_MANY, _FREED_S = 50, 36

#: Brings so many about; returns the seconds from its begin to the last one's event.
Contestant = Callable[[], float]


class Starts(Relay):
    """A relay that knows how long each start took, in seconds."""

    def __init__(self, target: str, place: Path) -> None:
        self._asked: dict[int, float] = {}
        self.took: list[float] = []
        super().__init__(target, place)

    def heard(self, said: bytes, line: int) -> None:
        """See a start asked for."""
        if _START.match(said):
            self._asked[line] = time.monotonic()

    def answered(self, line: int) -> None:
        """See it answered."""
        asked = self._asked.pop(line, None)
        if asked is not None:
            self.took.append(figures.timed(asked))


@contextmanager
def relayed(*, wanted: bool) -> Iterator[list[float]]:
    """Have everything that is begun here reach the Engine through one relay; what starts took."""
    if not wanted:
        yield []
        return
    with through(Starts) as relay:
        yield relay.took


@contextmanager
def fleet(*, start: bool = True) -> Iterator[Machine]:
    """Have a fleet of its own for each round, and its containers removed by several hands."""
    with machine(start=start) as host:
        try:
            yield host
        finally:
            host.down()
            peers.remove_all(host)
            peers.clear(host)


def last(events: Events, names: Iterator[str]) -> float:
    """Wait for everybody's event; returns the time of the last one."""
    return max(events.time_of(name) for name in names)


def bare(host: Machine, events: Events, count: int, *, running: bool) -> float:
    """Create (and start) through the API, paced as the agent paces itself."""
    name, numbers, pace = f"{host.fleet}-floor", free_ports(count), Limiter()

    def one(at: int) -> None:
        with pace.turn():
            made = peers.create(host, f"{name}{at}", port=numbers[at])
        if running:
            with pace.turn():
                host.api.start(made)

    begun = time.time()
    with ThreadPoolExecutor(MOST) as pool:
        list(pool.map(one, range(count)))
    return last(events, (f"{name}{at}" for at in range(count))) - begun


def pushed(host: Machine, events: Events, count: int, *, running: bool) -> float:
    """Push many servers at once."""
    host.up()
    numbers = free_ports(count)
    for at in range(count):
        host.define(f"s{at}", numbers[at], desired=None if running else "stopped")
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", "begin")
    begun = time.time()
    host.git("push", "--quiet", "-o", "no-wait")
    took = last(events, (f"{host.fleet}-s{at}" for at in range(count))) - begun
    host.down()
    peers.remove_all(host)
    return took


def composed(host: Machine, made: peers.Compose, events: Events, count: int) -> float:
    """Bring many services up at once."""
    numbers = free_ports(count)
    services: Mapping[str, Mapping[str, int]] = {
        f"s{at}": {"port": numbers[at]} for at in range(count)
    }
    made.write(host, services)
    begun = time.time()
    made.up()
    return last(events, (f"{made.project}-s{at}" for at in range(count))) - begun


def stacked(host: Machine, made: peers.Stack, events: Events, count: int) -> float:
    """Bring many services of a swarm up at once."""
    numbers = free_ports(count)
    made.write(host, {f"s{at}": {"port": numbers[at]} for at in range(count)})
    begun = time.time()
    made.up()
    took = last(events, (f"{made.project}_s{at}" for at in range(count))) - begun
    made.down(host)
    return took


def contestants(
    host: Machine, events: Events, count: int, *, running: bool
) -> dict[str, Contestant]:
    """Name everybody who is measured; the floor comes first."""
    kind = "" if running else " stopped"
    found: dict[str, Contestant] = {
        f"{count}{kind} through the bare API": lambda: bare(host, events, count, running=running),
        f"push of {count}{kind} servers": lambda: pushed(host, events, count, running=running),
    }
    if running:
        for each in peers.composes(host):
            found[f"{each.name} up of {count}"] = (
                lambda each=each: composed(host, each, events, count)  # type: ignore[misc]
            )
        if (swarm := peers.stack(host)) is not None:
            found[f"{swarm.name} of {count}"] = lambda: stacked(host, swarm, events, count)
    return found


def turns(
    count: int, number: int, *, running: bool, watched: bool
) -> dict[str, tuple[float, float]]:
    """Let everybody have a turn, the `number`-th first: seconds, and those of the slowest start."""
    with relayed(wanted=watched) as starts, fleet(start=False) as host:
        events = Events(host.api, "start" if running else "create")
        bare(host, events, 1, running=True)  # pays the costs of the first use
        everybody = contestants(host, events, count, running=running)
        found = dict.fromkeys(everybody, (0.0, 0.0))
        names = list(everybody)
        for name in names[number % len(names):] + names[: number % len(names)]:
            peers.clear(host)
            starts.clear()
            time.sleep(_FREED_S if count >= _MANY else 0)
            took = everybody[name]()
            found[name] = took, max(starts, default=0.0)
        return found


def measure(count: int, rounds: int, *, running: bool) -> dict[str, dict[str, float]]:
    """Measure so many rounds, and one more for the slowest starts alone."""
    rows: dict[str, list[float]] = {}
    for number in range(rounds):
        for name, (took, _) in turns(count, number, running=running, watched=False).items():
            rows.setdefault(name, []).append(took)
    floor = next(iter(rows))
    found = figures.compare(rows, floor)
    if running:
        seen = turns(count, 0, running=True, watched=True)
        # a swarm starts its containers itself
        slow = {f"{name}: slowest start": [each] for name, (_, each) in seen.items() if each}
        found |= figures.compare(slow, f"{floor}: slowest start")
    return found


def main(running: int, stopped: int, rounds: int) -> None:
    """Measure, print, write."""
    print(f"load average before {os.getloadavg()[0]:.1f}")
    found = measure(running, rounds, running=True) if running else {}
    found |= measure(stopped, rounds, running=False) if stopped else {}
    figures.show(found)
    figures.write("bulk", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, running=50, stopped=200, rounds=1))
