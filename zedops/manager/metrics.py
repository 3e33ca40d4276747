"""Counts for Prometheus. Fed by the loop and the door; holds no rules.

A scrape reads states under the loop's lock; only events are counted as they happen. Labels are
servers, hosts and words of fixed sets, nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from zedops import __version__
from zedops.fleet.lifecycle import SETTLED
from zedops.manager.state import Ledger
from zedops.protocol.sync import DesiredDocument, DesiredServer
from zedops.spec.backup import LastBackup, read_last
from zedops.spec.state import Status

#: A loop that ended no turn for this long is stuck: an idle loop turns once a second.
STUCK_S = 30.0
#: In s: a container of an image that is there starts in 0.3 s, a large image takes minutes.
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Subject(Protocol):
    """The state that a scrape reads: the running loop, under its lock `changed`."""

    changed: threading.Condition
    ledger: Ledger

    def quiet_s(self, host: str) -> float | None:
        """Give the seconds since a host was heard; None before the first time."""
        ...

    def is_silent(self, host: str) -> bool:
        """Say whether a host counts as lost."""
        ...


class Metrics:
    """The metrics of one process, over all the terms in which it leads."""

    part = "manager"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._convergence = Histogram(
            "zedops_convergence_seconds",
            "From a definition handed to its host until all of it is done and in git.",
            ["outcome"], buckets=_BUCKETS, registry=self.registry,
        )
        for outcome in ("settled", "failed"):
            self._convergence.labels(outcome)
        self.commits = self._count("state_commits", "Commits of state made.")
        self.races = self._count("races_lost", "Commits that found main moved, and were retried.")
        self.failures = self._count("turns_failed", "Turns of the loop that failed.")
        self.reports = self._count("reports", "Facts about one server taken from hosts.")
        self.messages = Counter(
            "zedops_messages", "Messages to people, by outcome.", ["outcome"],
            registry=self.registry,
        )
        self._pushes = Counter(
            "zedops_pushes", "Pushes of people, by verdict.", ["verdict"], registry=self.registry
        )
        for verdict in ("accepted", "refused"):
            self._pushes.labels(verdict)
        self._manager: Subject | None = None
        self._begun: dict[str, float] = {}
        self._handed: dict[str, dict[str, DesiredServer]] = {}
        self._turned_at = time.monotonic()
        #: Another manager leads, which is no fault.
        self.standing_by = False
        self.registry.register(self)

    def _count(self, name: str, says: str) -> Counter:
        return Counter(f"zedops_{name}", says, registry=self.registry)

    # --- fed by the loop, under its lock

    def watch(self, manager: Subject | None) -> None:
        """Report on this manager from now on; None: it ended."""
        self._manager, self._turned_at = manager, time.monotonic()
        self._begun.clear()
        self._handed.clear()

    def hand(self, ledger: Ledger, document: DesiredDocument, now_s: float) -> None:
        """Note that a host was handed a document: its new definitions begin to converge."""
        before = self._handed.get(document.host, {})
        for key, want in document.servers.items():
            if before.get(key) is not want and _is_news(ledger, want):
                self._begun.setdefault(key, now_s)
                ledger.dirty_ids.add(key)  # it may be at rest already
        self._handed[document.host] = document.servers

    def settle(self, ledger: Ledger, now_s: float) -> None:
        """Note that a turn ended, and observe the servers that came to rest."""
        self._turned_at = now_s
        if not ledger.journal.empty:  # hardly any is at rest before the commit that says so
            return
        for key in ledger.dirty_ids & self._begun.keys():
            held = ledger.server(key)
            status = held.state.status if held and held.state else Status.DELETED
            if status is Status.UNKNOWN:  # its host was away: the time says nothing of zedops
                del self._begun[key]
            elif ledger.at_rest(key):
                outcome = "failed" if status in (Status.FAILED, Status.MISSING) else "settled"
                self._convergence.labels(outcome).observe(now_s - self._begun.pop(key))
        ledger.dirty_ids.clear()

    # --- fed by the door

    def push(self, *, accepted: bool) -> None:
        """Count a push."""
        self._pushes.labels("accepted" if accepted else "refused").inc()

    # --- read by monitoring

    def trouble(self) -> str | None:
        """Name the fault that keeps the manager from working; None if there is none."""
        if self.standing_by:
            return None
        if self._manager is None:
            return "no manager runs"
        quiet_s = time.monotonic() - self._turned_at
        return f"the loop has not turned for {quiet_s:.0f} s" if quiet_s > STUCK_S else None

    def collect(self) -> Iterator[Metric]:
        """Read the manager's state for one scrape."""
        manager = self._manager
        leads = manager is not None
        yield _gauge("manager_leads", "Whether this process manages the fleet.", leads)
        if manager is not None:
            yield from _look(manager, len(self._begun))


def _is_news(ledger: Ledger, want: DesiredServer) -> bool:
    """Say whether a host has work to do for a server, as far as git knows."""
    held = ledger.server(want.id)
    state = held.state if held else None
    return state is None or state.status not in SETTLED or state.commit != want.commit


def _look(manager: Subject, converging: int) -> Iterator[Metric]:
    with manager.changed:
        ledger = manager.ledger
        settings = ledger.settings
        hosts = sorted({*settings.hosts, *ledger.assigned.hosts()})
        quiet = {host: manager.quiet_s(host) for host in hosts}
        lost = {host for host in hosts if quiet[host] is None or manager.is_silent(host)}
        waiting = len(ledger.journal)
        servers = [
            (each.name, each.state.host or "", each.state.status)
            for each in ledger.fleet.documents.values() if each.state
        ]
        backups = [
            (each.name, each.state.host or "", read_last(each.state.backup))
            for each in ledger.fleet.documents.values() if each.state and each.state.backup
        ]
    info = GaugeMetricFamily("zedops_info", "Which zedops manages which fleet.",
                             labels=["version", "fleet"])
    info.add_metric([__version__, settings.name], 1)
    yield info
    yield _gauge("hosts_known", "Hosts of the fleet.", len(hosts))
    yield _gauge("hosts_answering", "Hosts of the fleet that answer.", len(hosts) - len(lost))
    yield _by_host("host_answers", "Whether a host answers.",
                   hosts, lambda host: host not in lost)
    yield _by_host("host_quiet_seconds", "Since a host was heard.",
                   [host for host in hosts if quiet[host] is not None],
                   lambda host: quiet[host] or 0.0)
    yield _gauge("uncommitted_files", "Files whose state waits for the next commit.", waiting)
    yield _gauge("converging_servers", "Servers handed to hosts and not at rest yet.", converging)
    tally = Tally(status for _, _, status in servers)
    by_status = GaugeMetricFamily("zedops_servers", "Servers by status.", labels=["status"])
    each_status = GaugeMetricFamily(
        "zedops_server_status", "1, under the status that a server has now.",
        labels=["server", "host", "status"],
    )
    for status in Status:
        by_status.add_metric([status.value], tally[status])
    for name, host, status in servers:
        each_status.add_metric([name, host, status.value], 1)
    yield by_status
    yield each_status
    yield from _backups(backups)


def _backups(last: list[tuple[str, str, LastBackup]]) -> Iterator[Metric]:
    """Tell the last backup of each server, and the last snapshot that was started."""
    facts: list[tuple[str, str, Callable[[LastBackup], float | None]]] = [
        ("timestamp_seconds", "Time of a server's last good backup.",
         lambda each: each.at.timestamp()),
        ("size_bytes", "Size of the world in a server's last good backup.",
         lambda each: each.size_bytes),
        ("proven_timestamp_seconds", "Time of the last proof that a server's snapshot starts.",
         lambda each: each.proven_at.timestamp() if each.proven_at else None),
    ]
    for name, says, value in facts:
        made = GaugeMetricFamily(f"zedops_backup_{name}", says, labels=["server", "host"])
        for server, host, each in last:
            if (shown := value(each)) is not None:
                made.add_metric([server, host], shown)
        yield made


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"zedops_{name}", says, value=float(value))


def _by_host(
    name: str, says: str, hosts: list[str], value: Callable[[str], float]
) -> Metric:
    made = GaugeMetricFamily(f"zedops_{name}", says, labels=["host"])
    for host in hosts:
        made.add_metric([host], float(value(host)))
    return made
