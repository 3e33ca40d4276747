"""The agent's loop: owns the clock, the threads and the retries; holds no rules.

A document, a Docker event or a tick only marks servers for a look. A worker takes a marked server:
look, plan, do, look again, until the plan is empty.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from zedops.bus.interfaces import Link, Stream
from zedops.errors import (
    EngineFailed,
    EngineUnreachable,
    HostUnavailable,
    PersistFailed,
    ZedopsError,
)
from zedops.protocol.requests import ExecRequest, LogsRequest, Reply, Request, StreamRequest
from zedops.protocol.sync import DesiredDocument, DesiredServer, Goal, supersedes
from zedops.system.locks import LOOK_S
from zedops.system.shutdown import Ending
from zedops.system.watch import Directories
from zedops_agent.engine.engine import Engine
from zedops_agent.executor import Executor
from zedops_agent.failures import left_s
from zedops_agent.host_ports import HostPorts
from zedops_agent.host_queries import HostQueries
from zedops_agent.kills import Kills
from zedops_agent.limiter import Limiter
from zedops_agent.manager_link import Contact
from zedops_agent.metrics import AgentMetrics, AgentStatus
from zedops_agent.observer import Observer
from zedops_agent.ownership import Ownership
from zedops_agent.policy_file import PolicyFile
from zedops_agent.reconcile import Reconciler
from zedops_agent.root import Root
from zedops_agent.secrets import Secrets
from zedops_agent.store import Store
from zedops_agent.work_queue import Schedule

log = logging.getLogger(__name__)

#: The time between full comparisons with the Engine, in case the agent missed an event.
RESYNC_S = 60.0
#: The time between looks at data, for a loss that no event told of. Looks must not take more than
#: this part of a core: with about five hundred servers or more, they come less often.
DATA_LOOK_S = 10.0
DATA_LOOK_SHARE = 0.002
END_DEBOUNCE_S = 0.03
#: The waits before the next question to an Engine that did not answer.
ENGINE_RETRY_S = 2.0


class Agent:
    """One fleet's agent on one host. `start` returns at once; `stop` ends every thread."""

    def __init__(
        self, fleet: str, host: str, engine: Engine, root: Path, policy: PolicyFile | None = None,
        metrics: AgentMetrics | None = None, *, drains: bool = False,
    ) -> None:
        """Take the place of the fleet's agent here; one that `drains` only stops its servers."""
        self._metrics = metrics or AgentMetrics()
        self.fleet, self.host = fleet, host
        self._engine = engine
        self._store = Store(root, fleet)
        policy = policy or PolicyFile()
        self._secrets = secrets = Secrets(root, fleet)
        secrets.prepare()
        self._pace = Limiter()
        self._root = Root(root, self._was_used)
        self._root.close_to_others()
        self._root_gone: str | None = None
        self._lookout = Observer(
            fleet, engine, self._root, secrets, self._pace, policy, lambda: self._store.adopted
        )
        self._policy, self._policy_was = policy, policy.stamp()
        self._document: DesiredDocument | None = self._store.load_desired()
        owns = Ownership(fleet, root, self._store, lambda: self._document)
        ports = HostPorts(fleet, engine.claims)
        self._survey = HostQueries(
            fleet, engine, root, self._lookout.places, policy, secrets.recipient, ports, owns.has
        )
        self._workshop = workshop = Executor(
            fleet, engine, root, self._store, policy, secrets, self._lookout, ports,
            self._pace, self._newest, owns, self._servers,
        )
        workshop.draining = drains
        self._taking = threading.Lock()
        self._contact = Contact(host, self._store, self._held, self._start_over)
        self._schedule = Schedule(self._work_on)
        self._kills = Kills()
        self._reconciler = Reconciler(
            fleet, host, self._lookout, workshop, self._store, self._contact.report,
            self._contact.progress, self._metrics, self._schedule.cover, self._kills,
        )
        self._summary: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._homes: Directories | None = None
        self._unwatched = ""
        self._saying = threading.Lock()
        self._engine_gone = False
        #: The reason why this agent has to end: another one works in its place. Else empty.
        self.lost = ""
        self.end = Ending()
        self._threads: list[threading.Thread] = []

    def start(self, link: Link | None = None) -> None:
        """Begin to work by the document on disk, until a manager sends a newer one."""
        self._store.end_drain()
        self._contact.link = link
        self._metrics.look = self.standing
        loops = {
            "dispatch": self._schedule.run, "listen": self._listen, "tick": self._tick,
            "contact": self._contact.run, "lock": self._keep_lock,
        }
        try:
            self._homes = Directories(self._secrets.folder)
            loops["watch"] = self._watch_data
        except OSError as error:
            self._say_unwatched(error)
        for name, loop in loops.items():
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._mark_all()

    def stop(self) -> None:
        """End the work after the present step of each worker; servers go on running."""
        self._reconciler.start_no_more()
        self._pace.end()
        self._schedule.stop_workers()
        self._schedule.wait()
        if self._homes is not None:
            self._homes.close()
        self._contact.stop_sending()
        self._engine.close()
        for thread in self._threads:
            thread.join(timeout=5)
        self._store.close()

    def desired(self, document: DesiredDocument) -> None:
        """Take a document if it is newer than the present one; keep it on disk before acting."""
        try:
            self._take(document)
        except PersistFailed as error:
            self._contact.ask_later(str(error))

    def _take(self, document: DesiredDocument) -> None:
        with self._taking:
            held = self._document
            at = datetime.now(UTC)
            if held is not None and not supersedes(document.stamp, held.stamp, at):
                if document.stamp != held.stamp:
                    # a manager may have published a newer document before its answer arrived
                    overtaken = document.stamp[0] == held.stamp[0]
                    level = logging.INFO if overtaken else logging.WARNING
                    log.log(level, "an older document %s was not taken", document.stamp)
                return
            self._store.save_desired(document)
            self._document = document
        self._secrets.bind({each.name: each.id for each in document.servers.values()})
        before, now = held.servers if held else {}, document.servers
        changed = {each for each in before.keys() | now.keys() if before.get(each) != now.get(each)}
        self._schedule.mark(changed)

    def call(self, request: Request) -> Reply:
        """Answer a question about this host."""
        document = self._document
        return self._survey.answer(request, document, self._store.adopted)

    def stream(self, request: StreamRequest) -> Stream:
        """Stream a server's log, or the output of a command in its container."""
        adopted = self._store.load_memory(request.server_id).adopted
        containers = self._engine.look(self.fleet, request.server_id, adopted)
        if not containers:
            raise HostUnavailable("it has no container on its host; `zedops list` says how it is")
        newest = max(containers, key=lambda each: (each.up, str(each.started_at or "")))
        match request:
            case LogsRequest():
                return self._engine.streams.logs(
                    newest.id, request.tail, follow=request.follow, since=request.since
                )
            case ExecRequest():
                return self._engine.streams.run(newest.id, request.command)
            case _:
                assert_never(request)

    def greet(self) -> None:
        """Ask the manager for the document soon."""
        self._contact.greet()

    def standing(self) -> AgentStatus:
        """Return the state of this agent, for monitoring."""
        return AgentStatus(
            engine_answers=not self._engine_gone, manager_answers=self._contact.reached,
            servers=len(self._ids()), unsent_reports=self._contact.unsent,
            at_work=self._schedule.at_work,
        )

    # --- the document

    def _held(self) -> tuple[int, int]:
        return self._document.stamp if self._document else (0, 0)

    def _servers(self) -> list[DesiredServer]:
        document = self._document
        return list(document.servers.values()) if document else []

    def _newest(self, server_id: str) -> DesiredServer | None:
        document = self._document
        return document.servers.get(server_id) if document else None

    def _ids(self) -> set[str]:
        document = self._document
        return set(document.servers) if document else set()

    def _start_over(self, document: DesiredDocument) -> None:
        """Take the document of a manager that may have missed something: report all again."""
        self._take(document)
        self._reconciler.forget_reports()
        self._mark_all()

    def _mark_all(self) -> None:
        self._schedule.mark(self._ids())

    # --- the data root

    def _was_used(self) -> str | None:
        """Name the evidence that an unmarked data root is not new; None without any."""
        for want in (self._document.servers if self._document else {}).values():
            own = [each for each in want.definition.volumes.values() if each.source is None]
            stays = want.definition.moved_from is None and want.goal is not Goal.PURGED
            if own and want.data_expected and stays:
                return f"server {want.name!r} has data there"
        users = self._engine.lists.mounting(self._root.path / "servers")
        return f"container {users[0]!r} has mounted a directory of it" if users else None

    def _look_at_root(self) -> None:
        """Check whether the data root went away or came back; go on with one that is back."""
        gone, before = self._lookout.look_at_root(), self._root_gone
        if gone == before:
            return
        self._root_gone = gone
        if gone is not None:
            log.warning("%s", gone)
            return
        log.warning("the data root is back")
        self._secrets.prepare()
        self._root.close_to_others()
        if self._document is not None:
            self._store.save_desired(self._document)
        self._reconciler.forget_reports()

    # --- threads

    def _work_on(self, server_id: str, since: float) -> float | None:
        """Settle one server, marked at `since`; return the seconds until the next look."""
        document = self._document
        want = document.servers.get(server_id) if document else None
        try:
            if document is None or want is None:
                self._reconciler.forget(server_id)
                self._lookout.forget(server_id)
                return None
            again_at = self._reconciler.settle(want, since, document.stamp)
            if again_at is None:
                return None
            return left_s(again_at, datetime.now(UTC))
        except EngineUnreachable as error:
            self._say_gone(str(error))
            return ENGINE_RETRY_S
        except ZedopsError as error:  # the Engine answers, and the look failed all the same
            log.warning("cannot look at %s: %s; trying again", want.name if want else "it", error)
            return ENGINE_RETRY_S
        except Exception:
            log.exception("working on %s failed; trying again", want.name if want else server_id)
            return ENGINE_RETRY_S
        finally:
            self._watch_home(server_id)

    def _listen(self) -> None:
        """Mark servers by the Engine's events; after each new subscription, mark all."""
        since_ns: int | None = None
        while not self._schedule.stopping:
            try:
                events = self._engine.events(self.fleet, since_ns, lambda: self._store.adopted)
                self._say_back()
                self._mark_all()
                for event in events:
                    since_ns = event.at_ns
                    self._kills.hear(
                        event.server_id, event.container, event.action, event.exit_code,
                        event.at_ns,
                    )
                    if self._lookout.hear(event):
                        # an end is often the first half of a removal or a manual restart
                        delay_s = END_DEBOUNCE_S if event.is_end else 0.0
                        self._schedule.mark_later(event.server_id, delay_s)
                    if self._schedule.stopping:
                        return
            except EngineFailed as error:
                self._say_gone(str(error))
            except Exception:
                log.exception("listening to the Engine failed; trying again")
            self._schedule.pause(ENGINE_RETRY_S)

    def _say_gone(self, why: str) -> None:
        """Log once that the Engine is gone, not for each server and each try."""
        with self._saying:
            is_new, self._engine_gone = not self._engine_gone, True
        if is_new and not self._schedule.stopping:
            log.warning("%s; trying again every %.0f s", why, ENGINE_RETRY_S)

    def _say_back(self) -> None:
        with self._saying:
            is_new, self._engine_gone = self._engine_gone, False
        if is_new:
            log.warning("the Docker Engine answers again")

    def _tick(self) -> None:
        """Look at the data, and compare with the Engine, at intervals."""
        next_resync = time.monotonic() + RESYNC_S
        while not self._schedule.stopping:
            begun = time.thread_time()
            try:
                self._look_at_root()
                self._look_at_data()
                if time.monotonic() >= next_resync:
                    next_resync = time.monotonic() + RESYNC_S
                    self._resync()
            except EngineUnreachable as error:
                self._say_gone(str(error))
            except ZedopsError as error:
                log.warning("%s; trying again", error)
            except Exception:
                log.exception("looking at the data failed; trying again")
            rest_s = (time.thread_time() - begun) / DATA_LOOK_SHARE
            self._schedule.pause(min(max(DATA_LOOK_S, rest_s), RESYNC_S))

    def _resync(self) -> None:
        try:
            summary = self._engine.lists.summary(self.fleet, self._store.adopted)
        except ZedopsError as error:
            log.warning("resync: %s", error)
            return
        self._say_back()
        differing = {each for each in self._ids() if summary.get(each) != self._summary.get(each)}
        self._summary = summary
        self._schedule.mark(differing)

    def _look_at_data(self) -> None:
        """Mark servers with a lost directory or a changed secret: no event tells of these."""
        document, changed = self._document, set()
        for key, want in (document.servers if document else {}).items():
            with contextlib.suppress(EngineFailed):  # only the Engine knows a named volume's place
                if self._lookout.has_changed(want):
                    changed.add(key)
        was, self._policy_was = self._policy_was, self._policy.stamp()
        self._schedule.mark_idle(changed if was == self._policy_was else self._ids())

    def _keep_lock(self) -> None:
        """End the work if another agent has taken this one's place."""
        while not self._schedule.stopping:
            if not self._store.holds():
                self._reconciler.start_no_more()
                self.lost = self._store.taken
                log.error("%s", self.lost)
                self.end.set()
                return
            if self._store.is_asked_to_drain() and not self._workshop.draining:
                log.warning("asked to drain this host: its servers stop until the next start")
                self._workshop.draining = True
                self._mark_all()
            self._schedule.pause(LOOK_S)

    def _watch_home(self, server_id: str) -> None:
        """Watch the directory above a server's volumes; no server writes its world there."""
        try:
            if self._homes is not None:
                self._homes.add(self._lookout.home(server_id))
        except (FileNotFoundError, NotADirectoryError):
            pass  # the directory does not exist yet, or is gone
        except OSError as error:
            self._say_unwatched(error)

    def _say_unwatched(self, error: OSError) -> None:
        if self._unwatched != str(error):
            self._unwatched = str(error)
            log.info("cannot watch the data directories (%s); looking now and then", error)

    def _watch_data(self) -> None:
        """Mark servers when a data directory comes or goes; the regular look finds the rest."""
        while self._homes is not None and (changed := self._homes.wait()) is not None:
            if self._secrets.folder in changed:
                changed.discard(self._secrets.folder)
                self._look_at_data()
            for home in changed:
                self._schedule.mark_later(home.name, END_DEBOUNCE_S)
