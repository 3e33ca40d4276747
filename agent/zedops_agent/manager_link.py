"""Keeps in touch with the manager: asks for the document, names the held one, sends reports.

Reports go through one thread's queue, so that no work on a server ever waits for the network. When
the manager was away, they arrive afterwards, in order and with their own times. While the agent
cannot send the queue, it keeps it on disk. Without a manager the agent goes on: it keeps servers
by the document on disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from zedops import __version__
from zedops.bus.interfaces import Link
from zedops.errors import HostUnavailable, NewerDefinition, PersistFailed, ZedopsError
from zedops.protocol.sync import DesiredDocument, Heartbeat, Hello, Progress, Report, ServerReport
from zedops.system import failpoints
from zedops_agent.store import Store

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
#: The agent asks a silent manager again after this time.
RETRY_S = 2.0
#: Reports that come so soon after the last ones travel together: each message costs the manager.
_GATHER_S = 0.02
#: The most reports in one message, and the most that the agent keeps for a manager that is away.
#: Beyond that it keeps only the newest of each server: the last facts matter most.
_BATCH, _KEPT = 500, 2000


class Contact:
    """One agent's connection to its manager; without a `link` there is no manager.

    `held` returns the stamp of the agent's document, `take` accepts a document of the manager.
    """

    def __init__(
        self,
        host: str,
        store: Store,
        held: Callable[[], tuple[int, int]],
        take: Callable[[DesiredDocument], None],
    ) -> None:
        self._host, self._store, self._held, self._take = host, store, held, take
        self._wake = threading.Condition()
        self._reports = store.load_unsent()
        self._on_disk = bool(self._reports)
        self._unsaved = False
        self._progress: dict[str, Progress] = {}
        self._greeted = self._stopping = False
        self._next_try = self._next_beat = self._next_report = 0.0
        self._trouble = ""
        self.link: Link | None = None

    # --- for every thread

    def greet(self) -> None:
        """Ask for the document soon: a manager started, or answers again."""
        with self._wake:
            self._greeted, self._next_try = False, 0.0
            self._wake.notify_all()

    def report(self, report: ServerReport) -> None:
        """Send a report, now or when a manager answers."""
        with self._wake:
            self._reports.append(report)
            if len(self._reports) > _KEPT:
                newest = {each.id: each for each in self._reports}
                self._reports = [each for each in self._reports if newest[each.id] is each]
            if not self._unsaved:  # else an earlier report has woken the thread, or will
                self._wake.notify_all()
            self._unsaved = True

    def progress(self, progress: Progress) -> None:
        """Send the progress of long work, if a manager listens."""
        with self._wake:
            self._progress[progress.id] = progress
            self._wake.notify_all()

    def ask_later(self, why: str) -> None:
        """Ask for the document again in a while: the agent could not take the last one."""
        self._note(why)
        self._again_in(HEARTBEAT_S)

    @property
    def reached(self) -> bool:
        """Say whether the manager answered the last time."""
        return self.link is not None and self._greeted and not self._trouble

    @property
    def unsent(self) -> int:
        """Count the reports that wait for the manager."""
        return len(self._reports)

    def stop_sending(self) -> None:
        """End `run` after it has sent the queue, if it can."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    # --- the thread

    def run(self) -> None:
        """Keep in touch until `stop`."""
        while True:
            with self._wake:
                while not self._stopping and (left := self._due() - time.monotonic()) > 0:
                    self._wake.wait(min(left, HEARTBEAT_S))
                stopping = self._stopping
            try:
                if self.link is not None:
                    self._keep(self.link)
            except HostUnavailable as error:
                self._note(f"no manager answers ({error}); working from the document on disk")
                self._again_in(RETRY_S)
            except ZedopsError as error:
                self._note(str(error))
                self._again_in(HEARTBEAT_S)
            except Exception:
                log.exception("keeping in touch failed; trying again")
                self._again_in(RETRY_S)
            self._keep_unsent()
            if stopping:
                return

    def _due(self) -> float:
        if self.link is None:
            return self._next_try if self._unsaved else float("inf")
        if not self._greeted:
            return self._next_try
        return self._next_report if self._reports or self._progress else self._next_beat

    def _again_in(self, seconds: float) -> None:
        with self._wake:
            self._greeted, self._next_try = False, time.monotonic() + seconds
            self._progress.clear()  # old progress is of no interest

    def _note(self, text: str) -> None:
        if text != self._trouble:
            log.warning("%s", text)
        self._trouble = text

    def _keep(self, link: Link) -> None:
        """Greet a new manager, send reports, and compare the documents of both sides."""
        with self._wake:
            greets, self._greeted = not self._greeted, True
        epoch, rev = self._held()
        if greets:
            hello = Hello(host=self._host, epoch=epoch, rev=rev, zedops=__version__)
            try:
                document = link.sync(hello)
            except NewerDefinition as error:  # servers go on, and so do their reports
                self._send_reports(link)
                for server_id in error.servers:
                    link.progress(Progress(host=self._host, id=server_id, text=str(error)))
                raise
            failpoints.point("contact.synced")
            self._send_reports(link)  # old reports go first, in order
            self._take(document)
        self._send_reports(link)
        with self._wake:
            told, self._progress = list(self._progress.values()), {}
        for each in told:
            link.progress(each)
        if time.monotonic() >= self._next_beat:
            self._beat(link)
        if self._trouble:
            self._trouble = ""
            log.warning("the manager answers again")

    def _send_reports(self, link: Link) -> None:
        self._next_report = time.monotonic() + _GATHER_S
        while batch := self._reports[:_BATCH]:
            try:
                link.report(Report(host=self._host, servers=tuple(batch)))
                failpoints.point("contact.reported")
            except HostUnavailable:
                raise
            except ZedopsError as error:  # the manager would refuse it the next time, too
                log.error("%d reports were not taken: %s", len(batch), error)
            with self._wake:
                sent = {id(each) for each in batch}
                self._reports = [each for each in self._reports if id(each) not in sent]

    def _beat(self, link: Link) -> None:
        epoch, rev = self._held()
        self._next_beat = time.monotonic() + HEARTBEAT_S
        answer = link.heartbeat(Heartbeat(host=self._host, epoch=epoch, rev=rev))
        if (answer.epoch, answer.rev) != (epoch, rev) or answer.want_report:
            self.greet()

    def _keep_unsent(self) -> None:
        """Keep unsent reports on disk; a full disk loses history, no facts."""
        with self._wake:
            reports, unsaved = list(self._reports), self._unsaved
            if reports and self.reached and not self._stopping:
                return  # new reports came meanwhile; `run` sends all in a moment
            self._unsaved, self._next_try = False, max(self._next_try, time.monotonic() + 0.5)
        if (unsaved and reports) or (self._on_disk and not reports):
            try:
                self._store.save_unsent(reports)
                self._on_disk = bool(reports)
            except PersistFailed as error:
                log.error("unsent reports are in memory only: %s", error)
