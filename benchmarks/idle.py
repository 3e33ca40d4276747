"""What a fleet at rest costs, and a push that changes a comment.

    python -m benchmarks.idle [SERVERS=100] [SECONDS=60] [RUNNING=10]

A real manager and agent (`zedops up`) on a real Engine. RUNNING of the servers run, containers that
do nothing; the others are `desired: stopped` and never ran, so that a thousand of them fit on a
small machine. Between the agent and the Engine is a relay that counts the requests. Nothing may be
asked but the stream of events and, once a minute, one list; for a comment, not even that list. A
minute after servers began each of them is looked at once: of fewer than 60 SECONDS that is a part.
"""

from __future__ import annotations

import collections
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks import figures, peers
from benchmarks.host import machine, through
from tests.machine import Machine, free_ports
from tests.relay import Relay
from zedops.hub.hub import Hub

_REQUEST = re.compile(rb"(GET|POST|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")
#: The agent's request once a minute, also at rest.
_LIST = "GET /containers/json"
#: So long after a comment was taken in, the agent may still ask for something.
_AFTER_S = 3.0


class Counter(Relay):
    """A relay that knows how often what was asked; long lists of arguments are left out."""

    def __init__(self, target: str, place: Path) -> None:
        self.asked: collections.Counter[str] = collections.Counter()
        super().__init__(target, place)

    def heard(self, said: bytes, line: int) -> None:  # noqa: ARG002 - any of them
        """Count the requests in what passes."""
        for method, path in _REQUEST.findall(said):
            kind = re.sub(r"^/v[0-9.]+|[0-9a-f]{64}", "", path.decode().partition("?")[0])
            self.asked[f"{method.decode()} {kind}"] += 1


@contextmanager
def relayed() -> Iterator[tuple[Machine, Counter]]:
    """Have a fleet whose agent reaches the Engine through a relay."""
    with machine(start=False) as host, through(Counter) as relay:
        try:
            host.up()
            yield host, relay
        finally:
            host.down()
            peers.remove_all(host)


def begin(host: Machine, servers: int, running: int) -> None:
    """Make servers, the first `running` with `desired: running`, and wait until git says so."""
    numbers = free_ports(servers)
    for at in range(servers):
        host.define(f"s{at}", numbers[at], desired=None if at < running else "stopped")
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", "begin")
    host.git("push", "--quiet", "-o", "no-wait")

    def all_there() -> bool:
        rows = json.loads(host.zedops("list", "--json").stdout)
        found = collections.Counter(row["status"] for row in rows)
        return found == {"running": running, "stopped": servers - running}

    while not all_there():
        time.sleep(1)  # a look costs the machine that is measured more than this
    host.pull()


def rest(host: Machine, relay: Counter, seconds: float) -> tuple[float, dict[str, int]]:
    """Let time pass; returns what of a core was used, in percent, and what was asked."""
    process = psutil.Process(host.pid)
    relay.asked.clear()
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    used = sum(process.cpu_times()[:2]) - before
    return used / figures.timed(begun) * 100, dict(relay.asked)


def comment(host: Machine, relay: Counter) -> dict[str, int]:
    """Push a comment; returns what the Engine was asked until some seconds after it was taken in.

    Where the minute's list falls into these seconds it is done once more: then that cannot be.
    """
    asked = _comment(host, relay)
    return _comment(host, relay) if _LIST in asked else asked


def _comment(host: Machine, relay: Counter) -> dict[str, int]:
    path, hub = host.clone / "servers.d" / "s0.yaml", Hub(host.hub)
    path.write_text(f"# nothing but a comment\n{path.read_text()}")
    host.git("commit", "--quiet", "--all", "-m", "s0: a comment")
    relay.asked.clear()
    host.git("push", "--quiet")
    # the manager marks what it has taken in, after it told the agent of it
    host.wait_for(lambda: hub.refs.seen() == hub.head())
    time.sleep(_AFTER_S)
    return dict(relay.asked)


def main(servers: int, seconds: float, running: int) -> None:
    """Measure, print, write."""
    running = min(running, servers)
    with relayed() as (host, relay):
        begin(host, servers, running)
        rest(host, relay, min(1.3 * seconds, 80.0))  # what was begun ends, and the first comparison
        percent, asked = rest(host, relay, seconds)
        after = comment(host, relay)
        memory = psutil.Process(host.pid).memory_info().rss / 1e6
    found = {
        "servers": servers, "of which run": running, "seconds": seconds,
        "manager and agent, % of a core": round(percent, 3),
        "memory, MB": round(memory, 1),
        "asked of the Engine at rest": asked,
        "asked of the Engine for a comment": after,
    }
    for what, each in found.items():
        print(f"{what:36} {each}")
    figures.write("idle", found)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, servers=100, seconds=60, running=10))
