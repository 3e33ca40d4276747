"""Keeps in touch with the manager: asks for the document, says what is held, hands on reports.

Reports go through a queue of one thread's, so that no work on a server ever waits for the network,
and what happened while the manager was away arrives afterwards, in order and with its own times.
The queue is kept on disk while it cannot be sent. A manager that does not answer is no trouble:
servers are kept from the document on disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from zedops import __version__, faults
from zedops.bus import Link
from zedops.errors import HostUnavailable, NotKept, ZedopsError
from zedops.wire import DesiredDocument, Heartbeat, Hello, Progress, Report, ServerReport
from zedops_agent.store import Store

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
#: A manager that does not answer is asked again after this.
RETRY_S = 2.0
#: What comes so soon after the last reports travels together: each time the manager has a turn.
_GATHER_S = 0.02
#: As many reports travel together; as many are kept for a manager that is away. Beyond that only
#: the newest of each server are: the last facts matter more than how they came about.
_BATCH, _KEPT = 500, 2000


class Contact:
    """One agent's way to its manager; without a `link` it has none.

    `held` says the stamp of the document that the agent has, `take` gives it the manager's.
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

    # --- for everybody

    def greet(self) -> None:
        """Ask for the document soon: a manager began, or is reached again."""
        with self._wake:
            self._greeted, self._next_try = False, 0.0
            self._wake.notify_all()

    def report(self, report: ServerReport) -> None:
        """Hand a report on, now or when there is somebody to take it."""
        with self._wake:
            self._reports.append(report)
            if len(self._reports) > _KEPT:
                newest = {each.id: each for each in self._reports}
                self._reports = [each for each in self._reports if newest[each.id] is each]
            if not self._unsaved:  # else the thread is awake, or will be for what came before
                self._wake.notify_all()
            self._unsaved = True

    def progress(self, progress: Progress) -> None:
        """Tell how far long work has come, if anybody listens."""
        with self._wake:
            self._progress[progress.id] = progress
            self._wake.notify_all()

    def ask_later(self, why: str) -> None:
        """Ask for the document again in a while: the one that came could not be taken."""
        self._note(why)
        self._again_in(HEARTBEAT_S)

    @property
    def reached(self) -> bool:
        """Say whether the manager answers, as far as is known."""
        return self.link is not None and self._greeted and not self._trouble

    @property
    def unsent(self) -> int:
        """Count the reports that wait for the manager."""
        return len(self._reports)

    def stop(self) -> None:
        """End `run` once what is queued is sent, if it can be."""
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
            self._progress.clear()  # it is of no interest afterwards

    def _note(self, text: str) -> None:
        if text != self._trouble:
            log.warning("%s", text)
        self._trouble = text

    def _keep(self, link: Link) -> None:
        """Greet a manager that was not greeted yet, hand reports on, compare what both hold."""
        with self._wake:
            greets, self._greeted = not self._greeted, True
        epoch, rev = self._held()
        if greets:
            hello = Hello(host=self._host, epoch=epoch, rev=rev, zedops=__version__)
            document = link.sync(hello)
            faults.point("contact.synced")
            self._send_reports(link)  # what happened before comes before what is found now
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
                faults.point("contact.reported")
            except HostUnavailable:
                raise
            except ZedopsError as error:  # it would be refused the next time, too
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
        """Keep on disk what could not be sent; a disk that is full loses history, no facts."""
        with self._wake:
            reports, unsaved = list(self._reports), self._unsaved
            if reports and self.reached and not self._stopping:
                return  # they came meanwhile, and travel in a moment
            self._unsaved, self._next_try = False, max(self._next_try, time.monotonic() + 0.5)
        if (unsaved and reports) or (self._on_disk and not reports):
            try:
                self._store.save_unsent(reports)
                self._on_disk = bool(reports)
            except NotKept as error:
                log.error("what could not be reported: %s", error)
