"""The manager's loop: owns the clock, the threads and the lock, and holds no rules.

A moved ref, a report or the clock only wakes it. Each turn reads main again and takes in its news.
It commits ids and tombstones that git lacks, hands documents to the hosts concerned, then commits
reported states. The order matters: a crash cannot make git forget an id or tombstone that a host
works on, and no change waits for a commit that it does not need.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from zedops.bus.interfaces import Bus
from zedops.errors import GitFailed, RaceLost
from zedops.fleet.fleet import Fleet
from zedops.fleet.moving import Move
from zedops.fleet.notifications import Notice, host_lost
from zedops.hub.hub import Hub
from zedops.manager import ref_watch
from zedops.manager.courier import Courier
from zedops.manager.host_calls import HostCalls
from zedops.manager.last_good import Judge
from zedops.manager.leadership import LeadershipLost, Lease, Term
from zedops.manager.liveness import Liveness
from zedops.manager.maintenance import Housekeeping
from zedops.manager.metrics import Metrics
from zedops.manager.retention import Clock, end_retentions
from zedops.manager.state import Ledger
from zedops.manager.strays import Strays
from zedops.system import failpoints

log = logging.getLogger(__name__)

#: The loop reads main's ref this often, in case the file watch misses a move.
POLL_S = 1.0
RETRY_S = 1.0


class Manager:
    """One fleet's manager. `start` returns when the fleet is loaded; `stop` ends every thread."""

    def __init__(
        self, hub: Hub, bus: Bus, lease: Lease | None = None, metrics: Metrics | None = None
    ) -> None:
        self.hub = hub
        self.metrics = metrics or Metrics()
        self._lease = lease
        #: Set once another manager leads: only `stop` is left to call.
        self.deposed = threading.Event()
        self.on_deposed: Callable[[], None] = lambda: None
        self.ledger = Ledger()
        #: Guards the ledger; notified after every change that a person may wait for.
        self.changed = threading.Condition()
        self.on_commit: Callable[[str], None] = lambda _: None
        #: Holds back upstream changes, which no hook could refuse; None in a hub without upstream.
        self.judge: Judge | None = None
        #: Takes news for people: notices, and messages of state commits.
        self.notify: Callable[[Notice | str], None] = lambda _: None
        #: The agent of this process stops: the manager ignores its silence.
        self.ending = False
        self._bus = bus
        self._liveness = Liveness()
        self._wakes = self._handled = 0
        self._clock = Clock()
        #: A commit that was taken in; the loop marks it as seen after hosts have heard of it.
        self._unseen: str | None = None
        self._next_look = 0.0
        self._house = Housekeeping(hub.repository)
        self.calls = HostCalls(
            self.ledger, self.changed, self._liveness, self.metrics,
            wake=self.wake, leads=self._leads,
            greeted=self._greeted, notify=self._tell,
        )
        self._courier = Courier(bus, self._copies, self.calls.note_progress)
        self._strays = Strays(bus, self.calls.deleted, self.calls.take_containers)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- life

    def start(self, warm: Fleet | None = None) -> None:
        """Take the hub over, load the fleet, start the threads; `warm` is a fleet read before."""
        self._term = Term(self.hub, self._lease)
        self.hub.repository.objects.keep_open()
        self.ledger.assigned.epoch = self._term.epoch
        seen = self.hub.refs.seen()
        if seen is not None:
            self._take_in(seen, warm)
        self._bus.serve(self.calls)
        self.metrics.watch(self)
        self._turn()
        branches = self.hub.path / "refs" / "heads"
        self._begin("loop", self._run)
        self._begin("refs", partial(ref_watch.watch, branches, self.wake, self._stopping))
        self._house.start()
        self._strays.start()
        self._courier.start()

    def _begin(self, name: str, loop: Callable[[], None]) -> None:
        thread = threading.Thread(target=loop, name=f"manager-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """Commit the known states and end every thread."""
        self._stopping.set()
        self._house.stop_repacking()
        self._strays.stop()
        self._courier.stop()
        self.metrics.watch(None)
        self.wake()
        for thread in self._threads:
            thread.join(timeout=5)
        with self.changed:
            if not self.ledger.journal.empty and not self.deposed.is_set():
                try:
                    self._commit()
                except GitFailed as error:  # the next start asks hosts for their reports again
                    log.warning("the last states are not committed: %s", error)
        self.hub.repository.objects.close()
        self._term.end()

    def wake(self) -> int:
        """Ask for a turn; returns a ticket for `wait_for`."""
        with self.changed:
            self._wakes += 1
            self.changed.notify_all()
            return self._wakes

    def wait_for(self, ticket: int, timeout_s: float) -> bool:
        """Wait until a turn that began after `wake` has ended; False at the timeout."""
        with self.changed:
            return self.changed.wait_for(lambda: self._handled >= ticket, timeout_s)

    def is_silent(self, host: str) -> bool:
        """Say whether a host is lost: it has not answered for too long to wait for it."""
        return self._liveness.is_lost(host)

    def revoke(self, host: str) -> None:
        """Treat a removed host as lost: its servers become unknown."""
        with self.changed:
            self._liveness.revoke(host)
            self._next_look = 0.0
            self._wakes += 1
            self.changed.notify_all()

    def quiet_s(self, host: str) -> float | None:
        """Give the seconds since a host was heard; None if it was not heard since this start."""
        with self.changed:
            return self._liveness.quiet_s(host, time.monotonic())

    def as_committed(self) -> Fleet:
        """Give the fleet as git has it, after one turn of the loop."""
        self.wait_for(self.wake(), 5)
        with self.changed:
            return self.ledger.committed_fleet

    def warm(self) -> Fleet | None:
        """Give the newest fleet in memory, to check a push against."""
        with self.changed:
            return self.ledger.fleet if self.ledger.fleet.commit else None

    def _leads(self) -> bool:
        return self._term.goes_on and not self.deposed.is_set()

    def _greeted(self, host: str) -> None:
        self._strays.greet(host)

    def _copies(self) -> list[tuple[str, Move]]:
        with self.changed:
            return self.ledger.desired.moves.copies() if self._leads() else []

    def _tell(self, notice: Notice) -> None:
        self.notify(notice)

    # --- the loop

    def _run(self) -> None:
        races, trouble = 0, ""
        while not self._stopping.is_set():
            with self.changed:
                self.changed.wait_for(
                    lambda: self._wakes > self._handled or self._stopping.is_set(), self._idle_s()
                )
            try:
                self._turn()
                if trouble:
                    log.warning("the hub can be written again")
                races, trouble = 0, ""
            except LeadershipLost as error:
                log.warning("%s; %s", error, "standing by" if self._lease else "this one ends")
                self.deposed.set()
                self.on_deposed()
                return
            except RaceLost as error:
                self.metrics.races.inc()
                races += 1  # a stale lock also raises RaceLost: do not spin on it
                log.log(logging.WARNING if races % 20 == 10 else logging.DEBUG, "%s", error)
                self._stopping.wait(min(0.01 * 2**races, RETRY_S))
            except GitFailed as error:
                self.metrics.failures.inc()
                if str(error) != trouble:
                    log.error("%s; servers go on, trying again", error)
                trouble = str(error)
                self._stopping.wait(RETRY_S)
            except Exception:
                self.metrics.failures.inc()
                log.exception("a turn failed; trying again")
                self._stopping.wait(RETRY_S)

    def _idle_s(self) -> float:
        now = time.monotonic()
        due = self.ledger.journal.due(now)
        return POLL_S if due is None else max(0.0, min(POLL_S, due - now))

    def _turn(self) -> None:
        with self.changed:
            self._term.check()
            ticket = self._wakes
            head = self.hub.head()
            if head is not None and head != self.ledger.fleet.commit:
                self._take_in(head)
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + POLL_S
                self._look_around()
            if self.ledger.journal.urgent:
                self._commit()
            documents = [self.calls.document(host) for host in sorted(self.ledger.assigned.stale)]
            self.ledger.assigned.stale.clear()
        for document in documents:
            self._bus.publish(document)
            failpoints.point("manager.published")
        with self.changed:
            due = self.ledger.journal.due(now := time.monotonic())
            if due is not None and now >= due:
                self._commit()
            self._handled = ticket
            self.metrics.settle(self.ledger, time.monotonic())
            self.changed.notify_all()
        if self._unseen is not None:
            self.hub.refs.see(self._unseen)
            self._unseen = None

    def _take_in(self, head: str, warm: Fleet | None = None) -> None:
        before = self.ledger.fleet.commit
        self.ledger.hub = self.ledger.hub or self.hub.identity()
        self._house.wake()
        known = warm or self.ledger.fleet
        fleet, changes = self.hub.read_fleet(head, known if known.commit else None)
        if before:
            commits = self.hub.history.authors(before, head)
        else:
            commits = self.hub.history.unanswered(head, fleet.servers())
        now = datetime.now(UTC)
        if self.judge is None:
            paths = {change.path for change in changes} if before else set(fleet.documents)
            self.ledger.advance(fleet, paths, commits, now)
        else:
            self.judge.take_in(self.ledger, fleet, changes, commits, now)
        # a commit that hosts must answer is not seen yet: the answering state names it
        is_told = self.ledger.journal.empty and not self.ledger.assigned.stale
        self._unseen = head if is_told else None

    def _look_around(self) -> None:
        """Apply the rules that depend on time alone: retentions and lost hosts."""
        end_retentions(self._clock, self.ledger, datetime.now(UTC), _awake_s())
        if self.ending:
            return
        for host in self._liveness.miss(self.ledger.assigned.hosts(), time.monotonic()):
            log.warning("host %s does not answer", host, extra={"host": host})
            self.ledger.lose(host, datetime.now(UTC))
            self.notify(host_lost(host))

    def _commit(self) -> None:
        files, message = self.ledger.journal.files(self.ledger.fleet)
        commit = self.hub.refs.commit(self.ledger.fleet.commit, files, message)
        self.ledger.committed(commit, time.monotonic())
        self._unseen = None
        self.metrics.commits.inc()
        self._house.wake()
        self.on_commit(message.splitlines()[0])
        self.notify(message)


def _awake_s() -> float:
    """Read a clock that is never set, and that counts the machine's sleep where possible."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
