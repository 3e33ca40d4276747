"""The agent's loop: owns the clock, the threads and the retries, and holds no rules.

A document, a Docker event or a tick only marks servers as worth a look. One worker at a time
takes a marked server: look, plan, do, look again, until the plan is empty. Servers are worked on
side by side, a bounded number at once, so that one slow pull delays nobody else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from zedops.bus import Link
from zedops.errors import EngineFailed, EngineUnreachable, HostUnavailable, ZedopsError
from zedops.wire import (
    DesiredDocument,
    Heartbeat,
    Hello,
    LogsRequest,
    Progress,
    Reply,
    Report,
    Request,
)
from zedops_agent.engine import Engine
from zedops_agent.observed import DataVolume
from zedops_agent.policy import PolicyFile
from zedops_agent.reconcile import Reconciler
from zedops_agent.store import Store
from zedops_agent.watch import changed_homes
from zedops_agent.work import Workshop

log = logging.getLogger(__name__)

#: Full comparison with the Engine, in case an event was missed.
RESYNC_S = 60.0
HEARTBEAT_S = 10.0
END_DEBOUNCE_S = 0.03
#: Directories that are made one after the other are watched together.
_GATHER_S = 0.5
#: Waits before asking an Engine that did not answer again.
ENGINE_RETRY_S = 2.0
#: The Engine's floor is reached at a few starts at once; more only delays the slowest one.
WORKERS = min(2 * (os.cpu_count() or 1), 8)


class Agent:
    """One fleet's agent on one host. `start` returns at once; `stop` ends every thread."""

    def __init__(
        self, fleet: str, host: str, engine: Engine, root: Path, policy: PolicyFile | None = None
    ) -> None:
        self.fleet, self.host = fleet, host
        self._engine = engine
        self._store = Store(root, fleet)
        policy = policy or PolicyFile()
        self._workshop = Workshop(fleet, engine, root, self._store, policy)
        self._document: DesiredDocument | None = self._store.load_desired()
        self._link: Link | None = None
        self._reconciler = Reconciler(fleet, host, self._workshop, self._store, self._send)
        self._wake = threading.Condition()
        self._marked: set[str] = set()
        self._busy: set[str] = set()
        self._alarms: dict[str, float] = {}
        self._summary: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._data: dict[str, tuple[DataVolume, ...]] = {}
        self._watched: set[str] = set()
        self._rewatch = threading.Event()
        self._stopping = False
        self._engine_gone = False
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="server")
        self._threads: list[threading.Thread] = []

    def start(self, link: Link | None = None) -> None:
        """Begin to work, from the document on disk until a manager hands over a newer one."""
        self._link = link
        for loop in (self._dispatch, self._listen, self._tick, self._watch_data):
            thread = threading.Thread(target=loop, name=loop.__name__.strip("_"), daemon=True)
            thread.start()
            self._threads.append(thread)
        self._mark_all()

    def stop(self) -> None:
        """End the work after the step each worker is in; servers go on running."""
        with self._wake:
            self._stopping = True
            self._reconciler.stopping = True
            self._rewatch.set()
            self._wake.notify_all()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._engine.close()
        for thread in self._threads:
            thread.join(timeout=5)
        self._store.close()

    def desired(self, document: DesiredDocument) -> None:
        """Take a document if it is newer than the one held; keep it on disk before acting."""
        with self._wake:
            held = self._document
            if held is not None and document.stamp <= held.stamp:
                if document.stamp < held.stamp:
                    log.warning("an older document %s was not taken", document.stamp)
                return
            self._store.save_desired(document)
            self._document = document
        before = held.servers if held else {}
        ids = before.keys() | document.servers.keys()
        self._mark({each for each in ids if before.get(each) != document.servers.get(each)})

    def call(self, request: Request) -> Reply:
        """Answer a question about this host."""
        return self._workshop.survey.answer(request, self._store.adopted)

    def logs(self, request: LogsRequest) -> Iterator[bytes]:
        """Stream a server's log."""
        adopted = self._store.load_memory(request.server_id).adopted
        containers = self._engine.look(self.fleet, request.server_id, adopted)
        if not containers:
            raise HostUnavailable("it has no container on its host, so there is no log")
        newest = max(containers, key=lambda each: (each.up, str(each.started_at or "")))
        return self._engine.logs(newest.id, request.tail, follow=request.follow)

    # --- marking

    def _mark(self, ids: set[str]) -> None:
        with self._wake:
            self._marked |= ids
            self._wake.notify_all()

    def _mark_later(self, server_id: str, delay_s: float) -> None:
        with self._wake:
            at = time.monotonic() + delay_s
            self._alarms[server_id] = min(at, self._alarms.get(server_id, at))
            self._wake.notify_all()

    def _mark_all(self) -> None:
        document = self._document
        self._mark(set(document.servers) if document else set())

    # --- threads

    def _dispatch(self) -> None:
        """Give marked servers to free workers; a server is in one hand at a time."""
        while True:
            with self._wake:
                if self._stopping:
                    return
                now = time.monotonic()
                due = {each for each, at in self._alarms.items() if at <= now}
                self._marked |= due
                for each in due:
                    del self._alarms[each]
                ready = self._marked - self._busy
                if not ready:
                    nearest = min(self._alarms.values(), default=now + RESYNC_S)
                    self._wake.wait(max(0.0, nearest - now))
                    continue
                self._marked -= ready
                self._busy |= ready
            for server_id in ready:
                self._pool.submit(self._work_on, server_id)

    def _work_on(self, server_id: str) -> None:
        document = self._document
        want = document.servers.get(server_id) if document else None
        again_s: float | None = None
        try:
            if want is not None:
                again_at = self._reconciler.settle(want)
                if again_at is not None:
                    again_s = max(0.0, (again_at - datetime.now(UTC)).total_seconds())
            else:
                self._reconciler.forget(server_id)
        except EngineUnreachable as error:
            self._say_gone(str(error))
            again_s = ENGINE_RETRY_S
        except EngineFailed as error:  # it answers, and could not be looked at all the same
            log.warning("cannot look at %s: %s; trying again", want.name if want else "it", error)
            again_s = ENGINE_RETRY_S
        except Exception:
            log.exception("working on %s failed; trying again", want.name if want else server_id)
            again_s = ENGINE_RETRY_S
        finally:
            if server_id not in self._watched and self._workshop.home(server_id).is_dir():
                self._rewatch.set()
            with self._wake:
                self._busy.discard(server_id)
                if again_s is not None:
                    self._mark_later(server_id, again_s)
                self._wake.notify_all()

    def _listen(self) -> None:
        """Wake on the Engine's events; after every silence look at everything."""
        since_ns: int | None = None
        while not self._stopping:
            try:
                events = self._engine.events(self.fleet, since_ns, lambda: self._store.adopted)
                self._say_back()
                self._mark_all()
                for event in events:
                    since_ns = event.at_ns
                    # an end is often the first half of something: a removal, a restart by hand
                    self._mark_later(event.server_id, END_DEBOUNCE_S if event.is_end else 0.0)
                    if self._stopping:
                        return
            except EngineFailed as error:
                self._say_gone(str(error))
            except Exception:
                log.exception("listening to the Engine failed; trying again")
            self._pause(ENGINE_RETRY_S)

    def _say_gone(self, why: str) -> None:
        """Say once that the Engine is gone, not for each server and each try."""
        with self._wake:
            is_new, self._engine_gone = not self._engine_gone, True
        if is_new and not self._stopping:
            log.warning("%s; trying again every %.0f s", why, ENGINE_RETRY_S)

    def _say_back(self) -> None:
        with self._wake:
            is_new, self._engine_gone = self._engine_gone, False
        if is_new:
            log.warning("the Docker Engine answers again")

    def _tick(self) -> None:
        """Keep in touch with the manager, and compare with the Engine now and then."""
        next_resync = time.monotonic() + RESYNC_S
        greeted = False
        while not self._stopping:
            try:
                if not greeted:
                    greeted = self._say_hello()
                self._beat()
                self._look_at_data()
                if time.monotonic() >= next_resync:
                    next_resync = time.monotonic() + RESYNC_S
                    self._resync()
            except Exception:  # a full disk, say: the next beat may find room again
                log.exception("keeping in touch failed; trying again")
            self._pause(HEARTBEAT_S)

    def _resync(self) -> None:
        try:
            summary = self._engine.summary(self.fleet, self._store.adopted)
        except ZedopsError as error:
            log.warning("resync: %s", error)
            return
        self._say_back()
        document = self._document
        ids = set(document.servers) if document else set()
        differing = {each for each in ids if summary.get(each) != self._summary.get(each)}
        self._summary = summary
        self._mark(differing)

    def _look_at_data(self) -> None:
        """No event tells that a directory went: look at every one, which costs 0.1 ms each."""
        document = self._document
        looks = {}
        for key, want in (document.servers if document else {}).items():
            with contextlib.suppress(EngineFailed):  # where a named volume is, only it knows
                looks[key] = self._workshop.look_at_data(want)
        self._mark({key for key, each in looks.items() if each != self._data.get(key)})
        self._data = looks

    def _watch_data(self) -> None:
        """Wake when a data directory comes or goes; the regular look covers what this misses."""
        while not self._stopping:
            self._pause(_GATHER_S)
            self._rewatch.clear()
            document = self._document
            ids = set(document.servers) if document else set()
            homes = {self._workshop.home(each): each for each in ids}
            homes = {path: each for path, each in homes.items() if path.is_dir()}
            self._watched = set(homes.values())
            try:
                for changed in changed_homes(set(homes), self._rewatch):
                    self._mark({homes[each] for each in changed})
            except (OSError, RuntimeError) as error:
                log.info("cannot watch the data directories (%s); looking now and then", error)
                self._pause(RESYNC_S)

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._wake:
            while not self._stopping and (left := deadline - time.monotonic()) > 0:
                self._wake.wait(left)

    # --- the manager

    def _say_hello(self) -> bool:
        epoch, rev = self._document.stamp if self._document else (0, 0)
        try:
            if self._link is not None:
                hello = Hello(host=self.host, epoch=epoch, rev=rev)
                self.desired(self._link.sync(hello))
                self._reconciler.forget_reports()
                self._mark_all()
        except HostUnavailable as error:
            log.info("no manager answers (%s); working from the document on disk", error)
            return False
        return True

    def _beat(self) -> None:
        epoch, rev = self._document.stamp if self._document else (0, 0)
        try:
            if self._link is not None:
                beat = Heartbeat(host=self.host, epoch=epoch, rev=rev)
                answer = self._link.heartbeat(beat)
                if (answer.epoch, answer.rev) != (epoch, rev) or answer.want_report:
                    self._say_hello()
        except HostUnavailable as error:
            log.info("no manager answers: %s", error)

    def _send(self, message: Report | Progress) -> bool:
        if self._link is None:
            return False
        try:
            if isinstance(message, Report):
                self._link.report(message)
            else:
                self._link.progress(message)
        except HostUnavailable:
            return False
        return True
