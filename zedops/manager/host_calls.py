"""Answers the calls of agents: hands out documents, takes reports, progress and signs of life.

It works under the loop's lock and wakes the loop; it commits nothing and asks hosts nothing. A
document goes out only after git has what it is made from.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from zedops.errors import HostUnavailable, ZedopsError
from zedops.fleet.notifications import Notice, host_back
from zedops.manager.liveness import Liveness
from zedops.manager.metrics import Metrics
from zedops.manager.state import Ledger
from zedops.protocol.requests import Belonging
from zedops.protocol.sync import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report
from zedops.spec.state_block import brief
from zedops.system import failpoints

log = logging.getLogger(__name__)


class HostCalls:
    """The manager's side of the bus.

    `wake` asks the loop for a turn, `greeted` hears of each host that synchronizes, and `leads`
    says whether this manager may answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        changed: threading.Condition,
        liveness: Liveness,
        metrics: Metrics,
        *,
        wake: Callable[[], object],
        greeted: Callable[[str], None],
        notify: Callable[[Notice], None],
        leads: Callable[[], bool],
    ) -> None:
        self._ledger, self._changed = ledger, changed
        self._liveness, self._metrics = liveness, metrics
        self._wake, self._greeted, self._notify, self._leads = wake, greeted, notify, leads
        #: The newest progress of long work, by server.
        self.progress_of: dict[str, str] = {}
        self._handed: dict[str, DesiredDocument] = {}

    @property
    def speaks(self) -> bool:
        """Say whether this manager may answer; after a long pause it may not."""
        return self._leads()

    def sync(self, hello: Hello) -> DesiredDocument:
        """Hand a host its whole document."""
        with self._changed:
            self._liveness.hear(hello.host, time.monotonic())
            if self._liveness.is_lost(hello.host):
                self._notify(host_back(hello.host))
            self._liveness.welcome(hello.host)
            self._greeted(hello.host)
            return self.document(hello.host)

    def report(self, report: Report) -> None:
        """Take an agent's report."""
        with self._changed:
            self._liveness.hear(report.host, time.monotonic())
            for each in report.servers:
                try:
                    self._ledger.take(each, report.host)
                except ZedopsError:
                    log.exception("a report from %s was not taken", report.host)
                self._metrics.reports.inc()
                if each.activity is None and self._ledger.assigned.host(each.id) == report.host:
                    self.progress_of.pop(each.id, None)
            failpoints.point("manager.told")
            self._wake()

    def progress(self, progress: Progress) -> None:
        """Take the progress of long work, for people who wait."""
        with self._changed:
            assigned, server_id = self._ledger.assigned, progress.id
            if progress.host not in (assigned.host(server_id), assigned.guest(server_id)):
                return  # the server belongs to another host
            self.progress_of[progress.id] = brief(progress.text)
            self._changed.notify_all()

    def note_progress(self, server_id: str, text: str) -> None:
        """Take the progress of the manager's own work on a server."""
        with self._changed:
            self.progress_of[server_id] = text
            self._changed.notify_all()

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Answer with the stamp of the document that the host should hold."""
        with self._changed:
            self._liveness.hear(heartbeat.host, time.monotonic())
            handed = self._handed.get(heartbeat.host)
            if handed is None or not self._ledger.journal.urgent:
                epoch, rev = self._ledger.assigned.stamp(heartbeat.host)
            else:
                epoch, rev = handed.stamp
            back = self._liveness.is_lost(heartbeat.host)
            return HeartbeatReply(epoch=epoch, rev=rev, want_report=back)

    def deleted(self) -> set[str]:
        """Name the deleted servers, for `Strays` to compare with later."""
        with self._changed:
            return self._ledger.deleted()

    def take_containers(
        self, host: str, containers: Iterable[Belonging], deleted: set[str]
    ) -> list[Belonging]:
        """Take a host's containers; returns those that no file of the fleet names.

        A deletion that ended during the host's inventory is not reopened.
        """
        with self._changed:
            now, just_over = datetime.now(UTC), self._ledger.deleted() - deleted
            unnamed = [
                each for each in containers if each.server_id not in just_over
                and not self._ledger.find(host, each.server_id, now)
            ]
            self._wake()
            return unnamed

    def document(self, host: str) -> DesiredDocument:
        """Make a host's document, from committed knowledge only."""
        if not self._ledger.journal.urgent:
            self._handed[host] = self._ledger.document(host)
            self._metrics.hand(self._ledger, self._handed[host], time.monotonic())
        elif host not in self._handed:
            raise HostUnavailable("the manager has not committed its newest changes yet")
        return self._handed[host]
