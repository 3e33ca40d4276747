"""How much zedops adds to what Docker itself takes: push → start, and removal → state commit.

    python -m benchmarks.main_job [ROUNDS=20]

Interleaved in one run: a new server pushed through zedops, and the same container created and
started through the bare API. Ratios are what counts; absolute times depend on the machine.
"""

from __future__ import annotations

import time

from benchmarks import figures, git, peers
from benchmarks.host import Events, machine, pushed
from tests.machine import Machine, free_port

FLOOR = "create + start through the bare API"
PUSH = "begin of git push → start event"
END = "end of git push → start event"
REMOVED = "end of docker rm -f → state commit"


def bare_start(host: Machine, events: Events, name: str, port: int) -> float:
    """Create and start the same container through the API; returns seconds to its start event."""
    begun = time.time()
    made = peers.create(host, name, port=port)
    host.api.start(made)
    took = events.time_of(name) - begun
    host.api.remove_container(made, force=True)
    return took


def pushed_start(host: Machine, events: Events, name: str, port: int) -> tuple[float, float]:
    """Push a new server; returns seconds from the push's begin and from its end to the start."""
    host.define(name, port)
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", f"{name}: begin")
    begun, ended, started = pushed(host, events, name)
    return started - begun, started - ended


def removed_to_commit(host: Machine, name: str) -> float:
    """Remove a container by hand; returns seconds from then to the state commit that says so."""
    ref = host.hub / "refs/heads/main"
    before = ref.read_text()
    host.api.remove_container(f"{host.fleet}-{name}", force=True)
    removed = time.time()
    took = git.wait_moved(ref, before) - removed
    host.wait_for(lambda: host.state(name).get("status") == "running")
    return took


def main(rounds: int) -> None:
    """Measure, print, write."""
    rows: dict[str, list[float]] = {name: [] for name in (FLOOR, PUSH, END, REMOVED)}
    with machine() as host:
        events = Events(host.api, "start")
        bare_start(host, events, f"{host.fleet}-warm", free_port())
        for at in range(rounds):
            name = f"s{at}"
            rows[FLOOR].append(bare_start(host, events, f"{host.fleet}-bare{at}", free_port()))
            begin, end = pushed_start(host, events, name, free_port())
            rows[PUSH].append(begin)
            rows[END].append(end)
            rows[REMOVED].append(removed_to_commit(host, name))
            host.zedops("delete", name, "--yes")
    found = figures.compare(rows, FLOOR)
    figures.show(found)
    figures.write("main_job", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, rounds=20))
