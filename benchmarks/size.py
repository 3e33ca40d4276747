"""What a fleet's size does to the price of one change, of a start, of a look.

    python -m benchmarks.size [SERVERS …=100 1000] [--edits N]

For each size a real manager with its nats-server, on a hub of so many definitions, and one
simulated agent for ten servers (`benchmarks.agents`), a thousand at most. `many_hosts` has more of
how a thousand agents behave; here sizes are compared.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import figures
from benchmarks.crowd import Crowd
from benchmarks.site import Figures, Site
from zedops.hub import MAIN, Hub

_TOGETHER = 1000
_LOOKS = 5


def edits(site: Site, crowd: Crowd, count: int) -> Figures:
    """Push one edit after the other."""
    moved_to, whole, hook = [], [], []
    for at in range(count):
        moved, begun = site.push_edit(at)
        told = crowd.told(site.name(at), f"p{at}")
        moved_to.append(told - moved)
        whole.append(told - begun)
        hook.append(site.pre_receive_s)
        site.settle()
    return {
        "main moved → its host has the document, p50 ms": figures.middle_ms(moved_to),
        "the same, slowest ms": max(moved_to) * 1e3,
        "begin of git push → its host has the document, p50 ms": figures.middle_ms(whole),
        "pre-receive of a push of one file, p50 ms": figures.middle_ms(hook),
        "the same, slowest ms ": max(hook) * 1e3,
    }


def looks(site: Site) -> Figures:
    """Look at the fleet on the command line."""
    def took(*arguments: str) -> float:
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "zedops", *arguments], cwd=site.people(),
                       check=True, capture_output=True)
        return figures.timed(begun)

    return {
        "zedops list, ms": figures.middle_ms([took("list") for _ in range(_LOOKS)]),
        "zedops show NAME, ms": figures.middle_ms(
            [took("show", site.name(at)) for at in range(_LOOKS)]
        ),
    }


def commits(site: Site) -> Figures:
    """Write one commit of many states, as the manager does, in a copy of the hub."""
    copy = site.folder / "copy.git"
    shutil.copytree(site.hub.path, copy, ignore=shutil.ignore_patterns("zedops"))
    hub, times = Hub(copy), list[float]()
    head = hub.repository.resolve(MAIN) or ""
    entries = hub.repository.tree(head, "servers.d")
    paths = list(entries)[:_TOGETHER]
    texts = hub.repository.blobs(entries[path].blob for path in paths)
    for at in range(_LOOKS):
        files: dict[str, bytes | None] = {
            path: texts[entries[path].blob].replace(b"since: ", b"since: #%d " % at)
            for path in paths
        }
        begun = time.monotonic()
        head = hub.commit(head, files, f"{len(files)} servers\n")
        times.append(figures.timed(begun))
    shutil.rmtree(copy)
    return {f"one commit of up to {_TOGETHER} states, ms": figures.middle_ms(times)}


def restarts(site: Site, crowd: Crowd) -> Figures:
    """Kill the manager and start it: with every agent knocking, and with none."""
    killed = site.kill_manager()
    begun = time.monotonic()
    ready = site.start_manager()
    current = crowd.all_did("current", killed) - (begun - killed)
    site.settle()
    memory = site.manager.memory_info().rss / 1e6
    crowd.stop()
    site.kill_manager()
    alone = site.start_manager()
    return {
        "start, agents knocking: the manager is ready, s": ready,
        "start, agents knocking: every document handed out, s": max(ready, current),
        "start without agents, s": alone,
        "the same, CPU s": sum(site.manager.cpu_times()[:2]),
        "manager's memory after a start, MB": memory,
    }


def measure(servers: int, count: int) -> Figures:
    """Measure one size."""
    agents = min(1000, max(1, servers // 10))
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder:
        site = Site(Path(folder), agents, servers // agents)
        try:
            site.start_manager()
            crowd = Crowd(site)
            crowd.all_did("current", crowd.start())
            site.all_running()
            site.settle()
            found = edits(site, crowd, count) | looks(site) | commits(site)
            found |= {"manager's memory, MB": site.manager.memory_info().rss / 1e6}
            return found | restarts(site, crowd)
        finally:
            site.stop()


def main(sizes: list[int], count: int) -> None:
    """Measure, print, write."""
    found = {servers: measure(servers, count) for servers in sizes}
    print(f"{'':58}" + "".join(f"{servers:>11}" for servers in sizes) + "  last / first")
    for what in found[sizes[0]]:
        row = [each[what] for each in found.values()]
        ratio = row[-1] / row[0] if row[0] else float("inf")
        print(f"{what:58}" + "".join(f"{each:11.1f}" for each in row) + f"  × {ratio:.2f}")
    figures.write("size", {str(servers): each for servers, each in found.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sizes", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--edits", type=int, default=20)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and the processes with it
    main(asked.sizes, asked.edits)
