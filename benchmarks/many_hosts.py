"""What one manager does with many hosts: storms, restarts, single changes, and nothing to do.

    python -m benchmarks.many_hosts [AGENTS=1000] [SERVERS=10] [--edits N] [--idle SECONDS]

One real `zedops manager` with its real nats-server, on a real hub of AGENTS × SERVERS definitions;
the agents (`benchmarks.agents`) speak the real protocol over TLS, each with its own key, in two
processes on the same machine, whose work is in the figures, too.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil

from benchmarks.crowd import Crowd
from benchmarks.figures import command_line, write
from benchmarks.host import percentiles
from benchmarks.site import Figures, Site


def begin(site: Site, figures: Figures) -> Crowd:
    """Start everything for the first time: no server has an id, no agent has a document."""
    figures["first start: every server gets an id, in git"] = site.start_manager()
    crowd = Crowd(site)
    begun = crowd.start()
    figures["connect storm: all connected"] = crowd.all_did("up", begun)
    figures["connect storm: all have their document, every report taken"] = crowd.all_did(
        "current", begun
    )
    figures["the same, in git"] = site.all_running() - begun
    return crowd


def be_idle(site: Site, figures: Figures, seconds: float) -> None:
    """Measure what nothing costs: heartbeats, looks at the ref, pings."""
    watched = {"manager": site.manager, "nats-server": site.nats}
    before = {name: sum(each.cpu_times()[:2]) for name, each in watched.items()}
    took = site.wait(seconds)
    for name, each in watched.items():
        figures[f"{name}: idle, % of a core"] = (
            (sum(each.cpu_times()[:2]) - before[name]) / took * 100
        )
    remember(site, figures)


def remember(site: Site, figures: Figures) -> None:
    """Measure what the two processes hold in memory."""
    for name, each in (("manager", site.manager), ("nats-server", site.nats)):
        figures[f"{name}: RSS, MB"] = each.memory_info().rss / 1e6


def edit(site: Site, crowd: Crowd, figures: Figures, edits: int) -> None:
    """Change one server after the other, by push and by another process that commits to main."""
    pushed, committed, whole = [], [], []
    for at in range(edits):
        moved, begun = site.push_edit(at)
        told = crowd.told(site.name(at), f"p{at}")
        pushed.append(told - moved)
        whole.append(told - begun)
        site.settle()
    for at in range(edits):
        moved = site.commit_edit(at)
        committed.append(crowd.told(site.name(at), f"c{at}") - moved)
        site.settle()
    for what, took in {
        "main moved by a push → its host has the document": pushed,
        "main moved by another process → its host has the document": committed,
        "begin of git push → its host has the document": whole,
    }.items():
        for key, value in percentiles(took).items():
            if key != "n":
                figures[f"{what}, {key.removesuffix('_ms')}, ms"] = value


def lose_the_server(site: Site, crowd: Crowd, figures: Figures) -> None:
    """Kill nats-server under everybody."""
    killed = site.kill_nats()
    figures["kill -9 of nats-server → every agent current"] = crowd.all_did("current", killed)


def restart(site: Site, crowd: Crowd, figures: Figures) -> None:
    """Kill the manager, and with it nats-server; start it again at once."""
    killed = site.kill_manager()
    ready = site.start_manager()
    current = crowd.all_did("current", killed)
    figures["restart of the manager: it is ready"] = ready
    figures["restart of the manager: every agent current"] = current
    figures["restart of the manager: the same, from when it was ready"] = max(0, current - ready)


def main(agents: int, servers: int, edits: int, idle_s: float) -> Figures:
    """Measure everything once."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder:
        site = Site(Path(folder), agents, servers)
        try:
            crowd = begin(site, figures)
            edit(site, crowd, figures, edits)
            be_idle(site, figures, idle_s)
            lose_the_server(site, crowd, figures)
            restart(site, crowd, figures)
            site.settle()
            figures["after all of it: manager, RSS, MB"] = site.manager.memory_info().rss / 1e6
        finally:
            site.stop()
    return figures


if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("agents", type=int, nargs="?", default=1000)
    parser.add_argument("servers", type=int, nargs="?", default=10)
    parser.add_argument("--edits", type=int, default=60)
    parser.add_argument("--idle", type=float, default=30.0)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    found = main(asked.agents, asked.servers, asked.edits, asked.idle)
    print(f"{asked.agents} agents × {asked.servers} servers, {psutil.cpu_count()} cores,"
          f" load average before {load:.1f}")
    for what, figure in found.items():
        print(f"{what:72} {figure:10.2f}")
    write("many_hosts", found)
