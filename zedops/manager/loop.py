"""The manager's loop: owns the clock, the threads and the lock, and holds no rules.

A moved ref, a report or the clock only wakes it. Each turn looks at main again, takes in what is
new, commits what git does not say yet, then hands documents to the hosts concerned: in that
order, so that a host never works on an id or a tombstone that a crash could make git forget.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import watchfiles

from zedops import faults
from zedops.bus import Bus
from zedops.errors import GitFailed, HostUnavailable, RaceLost, ZedopsError
from zedops.fleet import Fleet
from zedops.hub import Hub
from zedops.manager.clock import Clock
from zedops.manager.judge import Judge
from zedops.manager.ledger import Ledger
from zedops.manager.presence import Presence
from zedops.wire import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report

log = logging.getLogger(__name__)

#: Looks at main's ref this often, should the file watch miss a move.
POLL_S = 1.0
RETRY_S = 1.0


class Manager:
    """One fleet's manager. `start` returns when the fleet is loaded; `stop` ends every thread."""

    def __init__(self, hub: Hub, bus: Bus) -> None:
        self.hub = hub
        self.ledger = Ledger()
        #: Guards the ledger; notified whenever something that a person may wait for changed.
        self.changed = threading.Condition()
        self.progress_of: dict[str, str] = {}
        self.on_commit: Callable[[str], None] = lambda _: None
        #: Holds back what nobody could refuse: in a hub with an upstream.
        self.judge: Judge | None = None
        #: The agent of this process is being stopped: its silence means nothing.
        self.ending = False
        self._bus = bus
        self._handed: dict[str, DesiredDocument] = {}
        self._presence = Presence()
        self._wakes = self._handled = 0
        self._clock = Clock()
        self._dirty_since: float | None = None
        self._last_commit = 0.0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- life

    def start(self) -> None:
        """Take the hub over, load the fleet, and begin."""
        self.hub.runtime.mkdir(mode=0o700, exist_ok=True)
        self._lock_file = (self.hub.runtime / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ZedopsError(f"another manager works on {self.hub.path}; stop it first") from error
        self.hub.equip()
        self.hub.clear_stale_lock()
        self.ledger.host_epoch = self.hub.next_epoch()
        seen = self.hub.seen()
        if seen is not None:
            self._take_in(seen)
        self._bus.serve(self)
        self._turn()
        for loop in (self._run, self._watch):
            thread = threading.Thread(target=loop, name=f"manager{loop.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Commit what is known and end."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(timeout=5)
        with self.changed:
            if not self.ledger.journal.empty:
                self._commit()
        self._lock_file.close()

    def wake(self) -> int:
        """Ask for a turn; `wait_for` waits until one that began later has ended."""
        with self.changed:
            self._wakes += 1
            self.changed.notify_all()
            return self._wakes

    def wait_for(self, ticket: int, timeout_s: float) -> bool:
        """Wait until the turn asked for by `wake` has ended."""
        with self.changed:
            return self.changed.wait_for(lambda: self._handled >= ticket, timeout_s)

    def is_silent(self, host: str) -> bool:
        """Say whether a host has not answered for so long that nobody should wait for it."""
        return self._presence.is_lost(host)

    def expel(self, host: str) -> None:
        """Take note that a host was put out: its servers are unknown from now on."""
        with self.changed:
            self._presence.expel(host)
            self._wakes += 1
            self.changed.notify_all()

    def quiet_s(self, host: str) -> float | None:
        """Say how many seconds ago a host was heard; None if it was not, since this start."""
        with self.changed:
            return self._presence.quiet_s(host, time.monotonic())

    def warm(self) -> Fleet | None:
        """Give the newest fleet in memory, for checking a push against."""
        with self.changed:
            return self.ledger.fleet if self.ledger.fleet.commit else None

    # --- what agents ask

    def sync(self, hello: Hello) -> DesiredDocument:
        """Hand a host its whole document."""
        with self.changed:
            self._presence.hear(hello.host, time.monotonic())
            self._presence.welcome(hello.host)
            return self._document(hello.host)

    def report(self, report: Report) -> None:
        """Take what an agent observed."""
        with self.changed:
            self._presence.hear(report.host, time.monotonic())
            for each in report.servers:
                try:
                    self.ledger.take(each, report.host)
                except ZedopsError:
                    log.exception("a report from %s was not taken", report.host)
                if each.activity is None:
                    self.progress_of.pop(each.id, None)
            self._wakes += 1
            self.changed.notify_all()

    def progress(self, progress: Progress) -> None:
        """Take how far long work has come, for whoever watches."""
        with self.changed:
            self.progress_of[progress.id] = progress.text
            self.changed.notify_all()

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Answer what the host should hold."""
        with self.changed:
            self._presence.hear(heartbeat.host, time.monotonic())
            handed = self._handed.get(heartbeat.host)
            if handed is None or not self.ledger.journal.urgent:
                epoch, rev = self.ledger.stamp(heartbeat.host)
            else:
                epoch, rev = handed.stamp
            back = self._presence.is_lost(heartbeat.host)
            return HeartbeatReply(epoch=epoch, rev=rev, want_report=back)

    def _document(self, host: str) -> DesiredDocument:
        """Make a host's document; nothing that git does not have yet is in it."""
        if not self.ledger.journal.urgent:
            self._handed[host] = self.ledger.document(host)
        elif host not in self._handed:
            raise HostUnavailable("the manager has not committed what it took in yet")
        return self._handed[host]

    # --- the loop

    def _run(self) -> None:
        races = 0
        while not self._stopping.is_set():
            with self.changed:
                self.changed.wait_for(
                    lambda: self._wakes > self._handled or self._stopping.is_set(), self._idle_s()
                )
            try:
                self._turn()
                races = 0
            except RaceLost as error:
                races += 1  # a lock that never goes away looks the same: do not spin on it
                log.log(logging.WARNING if races % 20 == 10 else logging.DEBUG, "%s", error)
                self._stopping.wait(min(0.01 * 2**races, RETRY_S))
            except GitFailed as error:
                log.error("%s; trying again", error)
                self._stopping.wait(RETRY_S)
            except Exception:
                log.exception("a turn failed; trying again")
                self._stopping.wait(RETRY_S)

    def _idle_s(self) -> float:
        due = self._due()
        return POLL_S if due is None else max(0.0, min(POLL_S, due - time.monotonic()))

    def _turn(self) -> None:
        with self.changed:
            ticket = self._wakes
            head = self.hub.head()
            if head is not None and head != self.ledger.fleet.commit:
                self._take_in(head)
            if self._clock.is_steady(time.time(), time.monotonic()):
                self.ledger.sweep(datetime.now(UTC))
            self._miss_silent_hosts()
            due = self._due()
            if due is not None and time.monotonic() >= due:
                self._commit()
            documents = []
            if not self.ledger.journal.urgent:
                documents = [self._document(host) for host in sorted(self.ledger.stale)]
                self.ledger.stale.clear()
            self._handled = ticket
            self.changed.notify_all()
        for document in documents:
            self._bus.publish(document)
            faults.point("manager.published")

    def _take_in(self, head: str) -> None:
        before = self.ledger.fleet.commit
        fleet, changes = self.hub.read(head, self.ledger.fleet)
        if before:
            commits = self.hub.authors(before, head)
        else:
            commits = self.hub.unanswered(head, fleet.servers())
        now = datetime.now(UTC)
        if self.judge is None:
            self.ledger.advance(fleet, {change.path for change in changes}, commits, now)
        else:
            self.judge.take_in(self.ledger, fleet, changes, commits, now)
        if self.ledger.journal.empty and not self.ledger.stale:
            self.hub.see(head)  # else the state that answers it says so, and names its commit

    def _miss_silent_hosts(self) -> None:
        if self.ending:
            return
        for host in self._presence.miss(self.ledger.hosts(), time.monotonic()):
            log.warning("host %s does not answer", host)
            self.ledger.lose(host, datetime.now(UTC))

    def _due(self) -> float | None:
        if self.ledger.journal.empty:
            self._dirty_since = None
            return None
        now = time.monotonic()
        if self._dirty_since is None:
            self._dirty_since = now
        if self.ledger.journal.urgent:
            return now
        quiet = now - self._last_commit > 1.0
        return self._dirty_since + self.ledger.journal.wait_s(now, quiet=quiet)

    def _commit(self) -> None:
        files, message = self.ledger.journal.files(self.ledger.fleet)
        commit = self.hub.commit(self.ledger.fleet.commit, files, message)
        self._dirty_since, self._last_commit = None, time.monotonic()
        self.ledger.committed(commit, self._last_commit)
        self.on_commit(message.splitlines()[0])

    def _watch(self) -> None:
        """Wake when main's ref moves; the poll in `_run` covers what this misses."""
        folder = self.hub.path / "refs" / "heads"
        changes: Iterable[object] = watchfiles.watch(
            folder, recursive=False, debounce=50, step=5, stop_event=self._stopping,
            rust_timeout=1000, yield_on_timeout=False,
        )
        try:
            for _ in changes:
                self.wake()
        except (OSError, RuntimeError) as error:
            log.warning("cannot watch %s (%s); looking every %s s instead", folder, error, POLL_S)
