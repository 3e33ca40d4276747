"""The agent's loop: owns the clock, the threads and the retries; holds no rules.

A document, a Docker event or a tick only marks servers for a look. A worker takes a marked server:
look, plan, do, look again, until the plan is empty.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from zedops.bus.interfaces import Link, Stream
from zedops.errors import EngineUnreachable, HostUnavailable, PersistFailed, ZedopsError
from zedops.protocol.moves import MoveFilesRequest, MoveReadRequest, MoveWriteRequest
from zedops.protocol.requests import ExecRequest, LogsRequest, Reply, Request, StreamRequest
from zedops.protocol.sync import DesiredDocument, DesiredServer
from zedops.protocol.terminals import TerminalRequest
from zedops.system.locks import LOOK_S
from zedops.system.shutdown import Ending
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.worlds import Worlds
from zedops_agent.container_runs import ContainerRuns
from zedops_agent.data_places import DataPlaces
from zedops_agent.data_watch import DataWatch, evidence_of_use
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.engine_watch import ENGINE_RETRY_S, RESYNC_S, EngineWatch
from zedops_agent.executor import Executor
from zedops_agent.failures import left_s
from zedops_agent.host_ports import HostPorts
from zedops_agent.host_queries import HostQueries
from zedops_agent.kills import Kills
from zedops_agent.limiter import Limiter
from zedops_agent.log_pages import LogPage
from zedops_agent.manager_link import Contact
from zedops_agent.metrics import AgentMetrics, AgentStatus
from zedops_agent.observed import Container
from zedops_agent.observer import Observer
from zedops_agent.ownership import Ownership
from zedops_agent.plan_runner import PlanRunner
from zedops_agent.policy_file import PolicyFile
from zedops_agent.port_check import PortCheck
from zedops_agent.ready_watch import ReadyWatch
from zedops_agent.reconcile import Reconciler
from zedops_agent.root import Root
from zedops_agent.secret_handover import SecretHandover
from zedops_agent.secrets import Secrets
from zedops_agent.start_order import StartOrder
from zedops_agent.store import Store
from zedops_agent.terminals import Terminals
from zedops_agent.work_queue import Schedule

log = logging.getLogger(__name__)

#: The time between looks at data, for a loss that no event told of. Looks must not take more than
#: this part of a core: with about five hundred servers or more, they come less often.
DATA_LOOK_S = 10.0
DATA_LOOK_SHARE = 0.002


class Agent:
    """One fleet's agent on one host. `start` returns at once; `stop` ends every thread."""

    def __init__(
        self, fleet: str, host: str, engine: Engine, root: Path, policy: PolicyFile | None = None,
        metrics: AgentMetrics | None = None, *, drains: bool = False,
    ) -> None:
        """Take the place of the fleet's agent here; one that `drains` only stops its servers."""
        self.fleet, self.host = fleet, host
        self._engine, self._metrics = engine, metrics or AgentMetrics()
        self._policy = policy = policy or PolicyFile()
        self._terminals = Terminals(engine.streams, policy)
        self._store = store = Store(root, fleet)
        self._secrets = secrets = Secrets(root, fleet)
        secrets.prepare()
        self._pace = pace = Limiter()
        data_root = Root(root, lambda: evidence_of_use(desired, engine.lists, root))
        data_root.close_to_others()
        self._desired = desired = Desired(store)
        desired.draining = drains
        self._schedule = schedule = Schedule(self._work_on)
        self._ready = ready = ReadyWatch(engine.streams.reader, schedule.mark)
        places = DataPlaces(fleet, root, engine.volumes)
        self._lookout = lookout = Observer(
            fleet, engine, data_root, places, secrets, pace, policy, lambda: store.adopted,
            ready,
        )
        owns = Ownership(fleet, root, store, lambda: desired.document)
        ports = HostPorts(fleet, engine.claims)
        repositories = Repositories(root, fleet, policy)
        self._survey = HostQueries(
            fleet, engine, root, places, policy, secrets.key.recipient, ports, owns.has,
            repositories, self._terminals.take,
        )
        handover = SecretHandover(fleet, secrets, engine.inspector)
        runs = ContainerRuns(engine, store, desired, secrets, handover, ports, pace)
        self._worlds = worlds = Worlds(
            root, fleet, host, engine, lookout, repositories, desired, schedule.mark, secrets,
        )
        workshop = Executor(
            fleet, engine, root, store, policy, secrets, lookout, desired, owns, runs,
            PortCheck(ports, store, desired, runs.stop), handover, pace, worlds,
            StartOrder(desired, self._others, store.load_memory),
        )
        self._worlds = worlds
        self._contact = Contact(host, store, lambda: desired.stamp, self._start_over)
        kills = Kills()
        self._reconciler = Reconciler(
            fleet, lookout,
            PlanRunner(host, workshop, runs, desired, store, self._metrics, self._contact.progress),
            desired, store, self._contact.report, schedule.cover, kills, worlds,
        )
        self._containers = EngineWatch(fleet, engine, store, desired, schedule, lookout, kills)
        self._data = DataWatch(
            data_root, desired, secrets, lookout, policy, schedule,
            self._reconciler.forget_reports,
        )
        #: The reason why this agent has to end: another one works in its place. Else empty.
        self.lost = ""
        self.end = Ending()
        self._threads: list[threading.Thread] = []

    def start(self, link: Link | None = None) -> None:
        """Begin to work by the document on disk, until a manager sends a newer one."""
        self._store.end_drain()
        self._worlds.start()
        self._contact.link = link
        self._metrics.look = self.standing
        loops = {
            "dispatch": self._schedule.run, "listen": self._containers.listen, "tick": self._tick,
            "contact": self._contact.run, "lock": self._keep_lock,
        }
        if self._data.open():
            loops["watch"] = self._data.run
        for name, loop in loops.items():
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._mark_all()

    def stop(self) -> None:
        """End the work after the present step of each worker; servers go on running."""
        self._reconciler.start_no_more()
        self._terminals.close()
        self._worlds.close()
        self._pace.end()
        self._schedule.stop_workers()
        self._schedule.wait()
        self._data.close()
        self._contact.stop_sending()
        self._ready.close()
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
        changed = self._desired.take(document)
        if changed is not None:
            self._secrets.bind({each.name: each.id for each in document.servers.values()})
            self._schedule.mark(changed)

    def _start_over(self, document: DesiredDocument) -> None:
        """Take the document of a manager that may have missed something: report all again."""
        self._take(document)
        self._reconciler.forget_reports()
        self._mark_all()

    def _mark_all(self) -> None:
        self._schedule.mark(set(self._desired.servers))

    def call(self, request: Request) -> Reply:
        """Answer a question about this host."""
        if isinstance(request, MoveFilesRequest | MoveWriteRequest):
            return self._worlds.moving.answer(request)
        return self._survey.answer(request, self._desired.document, self._store.adopted)

    def stream(self, request: StreamRequest) -> Stream:
        """Stream a server's log, a command's output in its container, or a file of its move."""
        if isinstance(request, MoveReadRequest):
            return self._worlds.moving.read(request)
        adopted = self._store.load_memory(request.server_id).adopted
        containers = self._engine.look(self.fleet, request.server_id, adopted)
        if not containers:
            raise HostUnavailable("it has no container on its host; `zedops list` says how it is")
        newest = max(containers, key=lambda each: (each.up, str(each.started_at or "")))
        match request:
            case LogsRequest(lines=True):
                return LogPage(lambda: self._engine.streams.reader(newest.id), request)
            case LogsRequest():
                return self._engine.streams.logs(
                    newest.id, request.tail, follow=request.follow, since=request.since
                )
            case ExecRequest():
                self._policy.check_exec()
                return self._engine.streams.run(newest.id, request.command)
            case TerminalRequest():
                return self._terminals.open(request, newest.id, newest.name)
            case _:
                assert_never(request)

    def greet(self) -> None:
        """Ask the manager for the document soon."""
        self._contact.greet()

    def standing(self) -> AgentStatus:
        """Return the state of this agent, for monitoring."""
        return AgentStatus(
            engine_answers=not self._containers.is_gone, manager_answers=self._contact.reached,
            servers=len(self._desired.servers), unsent_reports=self._contact.unsent,
            at_work=self._schedule.at_work,
        )

    def _others(self, want: DesiredServer) -> tuple[Container, ...]:
        """Look at the containers of a server that another one waits for."""
        ready = self._store.load_memory(want.id).ready
        return self._lookout.containers(want, self._store.adopted, ready)

    def _work_on(self, server_id: str, since: float) -> float | None:
        """Settle one server, marked at `since`; return the seconds until the next look."""
        document = self._desired.document
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
            self._containers.say_gone(str(error))
            return ENGINE_RETRY_S
        except ZedopsError as error:  # the Engine answers, and the look failed all the same
            log.warning("cannot look at %s: %s; trying again", want.name if want else "it", error)
            return ENGINE_RETRY_S
        except Exception:
            log.exception("working on %s failed; trying again", want.name if want else server_id)
            return ENGINE_RETRY_S
        finally:
            self._data.add(server_id)

    def _tick(self) -> None:
        """Look at the data, and compare with the Engine, at intervals."""
        while not self._schedule.stopping:
            begun = time.thread_time()
            try:
                self._data.look_at_root()
                self._data.look_at_data()
                self._containers.compare_when_due()
            except EngineUnreachable as error:
                self._containers.say_gone(str(error))
            except ZedopsError as error:
                log.warning("%s; trying again", error)
            except Exception:
                log.exception("looking at the data failed; trying again")
            rest_s = (time.thread_time() - begun) / DATA_LOOK_SHARE
            self._schedule.pause(min(max(DATA_LOOK_S, rest_s), RESYNC_S))

    def _keep_lock(self) -> None:
        """End the work if another agent has taken this one's place."""
        while not self._schedule.stopping:
            if not self._store.holds():
                self._reconciler.start_no_more()
                self.lost = self._store.taken
                log.error("%s", self.lost)
                self.end.set()
                return
            if self._store.is_asked_to_drain() and not self._desired.draining:
                log.warning("asked to drain this host: its servers stop until the next start")
                self._desired.draining = True
                self._mark_all()
            self._schedule.pause(LOOK_S)
