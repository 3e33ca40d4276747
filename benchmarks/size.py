"""What a fleet's size does to the price of one change, of a start, of a look.

    python -m benchmarks.size [SERVERS …=100 1000] [--edits N]

For each size a real manager with its nats-server, on a hub of so many definitions, and one
simulated agent for ten servers (`benchmarks.agents`), a thousand at most. `many_hosts` has more of
how a thousand agents behave; here sizes are compared.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import figures
from benchmarks.crowd import Crowd
from benchmarks.site import Figures, Site
from zedops.bus.nats import messages
from zedops.hub.hub import Hub
from zedops.manager.state import Ledger
from zedops.protocol.sync import ContainerFacts, Report, ServerReport

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
    """Commit what hosts say of many servers at once, as the manager does, in a copy of the hub.

    From the reports as they come off the bus until main has moved. What is left out is what the
    manager waits for more to come (`commit_batch.UNSETTLED_S` at most), because that is no work.
    """
    copy = site.folder / "copy.git"
    shutil.copytree(site.hub.path, copy, ignore=shutil.ignore_patterns("zedops"))
    hub, ledger, whole, in_git = Hub(copy), Ledger(), list[float](), list[float]()
    fleet, _ = hub.read_fleet(hub.head() or "")
    ledger.advance(fleet, fleet.documents, {}, datetime.now(UTC))
    assert ledger.journal.empty
    for at in range(_LOOKS):
        reports = _reports(ledger, site.hosts, running=at % 2 == 1)
        begun = time.monotonic()
        for raw in reports:
            report = messages.unpack(raw, messages.HEADERS, Report.model_validate, "a host")
            for each in report.servers:
                ledger.take(each, report.host)
        files, message = ledger.journal.files(ledger.fleet)
        assert len(files) == min(_TOGETHER, len(fleet.documents))
        made = time.monotonic()
        ledger.committed(hub.refs.commit(ledger.fleet.commit, files, message), time.monotonic())
        whole.append(figures.timed(begun))
        in_git.append(figures.timed(made))
    shutil.rmtree(copy)
    return {
        f"reports of up to {_TOGETHER} servers → one commit, ms": figures.middle_ms(whole),
        "git's part of it, ms": figures.middle_ms(in_git),
    }


def _reports(ledger: Ledger, hosts: list[str], *, running: bool) -> list[bytes]:
    """Write what hosts say when many of their servers have just ended, or begun again."""
    found, left = list[bytes](), _TOGETHER
    for host in hosts:
        servers = list(ledger.document(host).servers.values())[:left]
        left -= len(servers)
        said = tuple(
            ServerReport(
                id=each.id, at=datetime.now(UTC), data_exists=True, about=each.commit,
                goal=each.goal, applied=running, container=ContainerFacts(
                    id=each.id.lower() * 2, running=running, image=f"sha256:{'5' * 64}",
                    exit_code=None if running else 137,
                ),
            )
            for each in servers
        )
        if said:
            found.append(messages.pack(Report(host=host, servers=said)))
    return found


def restarts(site: Site, crowd: Crowd) -> Figures:
    """Kill the manager and start it: with every agent knocking, then with none."""
    found = Figures()
    for measured in (_knocked, _alone):
        site.kill_manager()
        found |= {f"cold start, {what}": each for what, each in measured(site, crowd).items()}
    return found


def _knocked(site: Site, crowd: Crowd) -> Figures:
    """Start the manager while every agent wants its document."""
    begun = time.monotonic()
    ready = site.start_manager()
    current = crowd.all_did("current", begun)
    site.settle()
    return {
        "agents knocking: ready, s": ready,
        "agents knocking: every document handed out, s": max(ready, current),
        "manager's memory then, MB": site.manager.memory_info().rss / 1e6,
    }


def _alone(site: Site, crowd: Crowd) -> Figures:
    """Start the manager where no agent is."""
    crowd.stop()
    return {
        "without agents: ready, s": site.start_manager(),
        "without agents: CPU s": sum(site.manager.cpu_times()[:2]),
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
    print(f"{'':72}" + "".join(f"{servers:>11}" for servers in sizes) + "  last / first")
    for what in found[sizes[0]]:
        row = [each[what] for each in found.values()]
        ratio = row[-1] / row[0] if row[0] else float("inf")
        print(f"{what:72}" + "".join(f"{each:11.1f}" for each in row) + f"  × {ratio:.2f}")
    figures.write("size", {str(servers): each for servers, each in found.items()})


if __name__ == "__main__":
    parser = figures.command_line(__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--edits", type=int, default=20)
    asked = parser.parse_args()
    main(asked.sizes, asked.edits)
