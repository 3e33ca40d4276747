"""Brings one server to where its definition wants it: look, plan, do, look again, report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zedops.errors import PersistFailed
from zedops.protocol.sync import Activity, DesiredServer, Goal, ServerReport
from zedops.system import failpoints
from zedops_agent.backup.worlds import Worlds
from zedops_agent.desired import Desired
from zedops_agent.draining import drained
from zedops_agent.failures import failed
from zedops_agent.kills import Kills
from zedops_agent.memory import Memory, is_watched, matches
from zedops_agent.observed import Observed, Presence
from zedops_agent.observer import Observer
from zedops_agent.plan import make_plan
from zedops_agent.plan_runner import PlanRunner, Ran, is_worth_telling
from zedops_agent.remember import reached, remember
from zedops_agent.report import activity_of, begins, make_report
from zedops_agent.steps import Plan
from zedops_agent.stops import stopped
from zedops_agent.store import Store

log = logging.getLogger(__name__)

#: A plan without an end is a bug; the agent goes on with it later, not in a tight loop.
_ROUNDS = 12
_ROUNDS_PAUSE_S = 5.0
#: The time between looks while a server waits for another one to leave a port.
_WAITS_LOOK_S = 0.5
#: The time until the next try after a failed write to the disk.
_NOT_KEPT_PAUSE_S = 10.0


class Reconciler:
    """Works on one server at a time; several threads may each work on another server."""

    def __init__(
        self,
        fleet: str,
        lookout: Observer,
        runner: PlanRunner,
        desired: Desired,
        store: Store,
        report: Callable[[ServerReport], None],
        cover: Callable[[str], None],
        kills: Kills,
        worlds: Worlds,
    ) -> None:
        self._worlds = worlds
        self._cover, self._kills = cover, kills
        self._fleet, self._tell = fleet, report
        self._lookout, self._runner = lookout, runner
        self._desired, self._store = desired, store
        self._reported: dict[str, ServerReport] = {}
        #: The stamp of the document of the last work on each server.
        self._under: dict[str, tuple[int, int]] = {}

    def start_no_more(self) -> None:
        """Start no further step: this agent ends."""
        self._runner.stopping = True
        self._worlds.end()

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._reported.pop(server_id, None)
        self._worlds.forget(server_id)
        self._under.pop(server_id, None)

    def forget_reports(self) -> None:
        """Report everything again, to a manager that may have missed something."""
        self._reported.clear()

    def settle(
        self, want: DesiredServer, since: float, under: tuple[int, int]
    ) -> datetime | None:
        """Work on a server until its plan is empty. Returns the time of the next look, if any.

        Its first look shows the state at `since` (monotonic) or later; `under` is the stamp of the
        document with the definition.
        """
        self._under[want.id] = under
        with failpoints.work_on(want.name):
            try:
                return self._settle(want, since)
            except PersistFailed as error:
                log.warning("%s: %s", want.name, error, extra={"server": want.name})
                return datetime.now(UTC) + timedelta(seconds=_NOT_KEPT_PAUSE_S)

    def _settle(self, want: DesiredServer, since: float) -> datetime | None:
        done, seen = Ran(), None
        for _ in range(_ROUNDS):
            if self._runner.stopping or self._desired.is_superseded(want):
                return None  # the newer document has marked the server for another look
            now = datetime.now(UTC)
            try:
                before = self._store.load_memory(want.id)
            except PersistFailed as error:
                self._report_forgotten(want, since, str(error))
                raise
            if not done.whole or want.goal.ends:  # an end for good needs a list each time
                seen = None
            seen = self._lookout.look(want, before, self._cover, since, seen)
            is_kept = seen.root_gone is None  # else the memory of the server is away as well
            memory = remember(before, want, seen, now) if is_kept else before
            done = done._replace(note=done.note or self._ended_meanwhile(before, want, seen))
            if self._desired.draining:
                plan, memory = drained(want, seen, memory)
            else:
                plan = make_plan(self._fleet, want, seen, memory, now)
                plan = self._worlds.planned(plan, want, seen, memory, now)
            arrived = plan.lost is None and is_kept and _is_there(want, seen)
            if not plan.steps and arrived and not is_watched(memory, seen, now):
                memory = reached(memory, want)
            if memory != before:
                try:
                    self._store.save_memory(want.id, memory)
                except PersistFailed as error:
                    unkept = failed(memory, want, str(error), now, retry=True)
                    self._report(want, seen, unkept, Plan(), None, None)
                    raise
            # first report the facts, then the work of the plan
            for activity in dict.fromkeys((begins(plan), activity_of(plan, want))):
                note = plan.note or done.note or self._runner.waits_for(want.id)
                self._report(want, seen, memory, plan, note, activity)
            if not plan.steps:
                self._runner.waits_no_more(want.id)
                return plan.again_at
            was_down = before.stopping is not None and memory.stopping is None
            done = self._runner.run(plan, want, seen, was_down=was_down)
            since = time.monotonic()
            if done.waits:
                return datetime.now(UTC) + timedelta(seconds=_WAITS_LOOK_S)
        return datetime.now(UTC) + timedelta(seconds=_ROUNDS_PAUSE_S)

    def _report_forgotten(self, want: DesiredServer, since: float, text: str) -> None:
        """Report the facts of a server whose memory cannot be read; of its data none is sure."""
        mine = (key for key, each in self._store.adopted.items() if each == want.id)
        lost = Memory(adopted=next(mine, None))
        seen = self._lookout.look(want, lost, self._cover, since)
        unsure = tuple(
            replace(each, marker=Presence.UNKNOWN, content=Presence.UNKNOWN)
            for each in seen.volumes
        )
        seen = replace(seen, volumes=unsure)
        is_up = any(each.up for each in seen.containers)
        plan = Plan(note=text) if is_up else Plan(refused=text)
        self._report(want, seen, Memory(), plan, plan.note, None)

    def _ended_meanwhile(
        self, memory: Memory, want: DesiredServer, seen: Observed
    ) -> str | None:
        """Describe the end of a process that no step of this plan has stopped."""
        own = memory.stopping.container if memory.stopping else None
        killed = self._kills.told(want.id, seen, by_zedops=own)
        return _how_it_went(memory, want, seen) or killed

    def _report(
        self,
        want: DesiredServer,
        seen: Observed,
        memory: Memory,
        plan: Plan,
        note: str | None,
        activity: Activity | None,
    ) -> None:
        now, under = datetime.now(UTC), self._under.get(want.id)
        report = make_report(want, seen, memory, plan, note, activity, now)
        report = self._worlds.told(report.model_copy(update={"under": under}), want, seen)
        last = self._reported.get(want.id)
        # answer each request to end a server, also a repeated one
        known = {"at": now} if want.goal.ends else {"at": now, "under": under}
        if last is not None and report == last.model_copy(update=known):
            return
        self._tell(report)
        self._reported[want.id] = report


def _how_it_went(memory: Memory, want: DesiredServer, seen: Observed) -> str | None:
    """Describe a stop that ended while no process of zedops waited for it."""
    for each in seen.containers:
        if memory.stopping is not None and memory.stopping.is_of(each) and not each.up:
            how = stopped(memory.stopping, each)
            return str(how) if is_worth_telling(how, want) else None
    return None


def _is_there(want: DesiredServer, seen: Observed) -> bool:
    """Say whether a server is where its definition wants it."""
    current = [each for each in seen.containers if matches(each, want)]
    match want.goal:
        case Goal.DELETED:
            return not seen.containers
        case Goal.PURGED:
            return not seen.containers and seen.home is Presence.ABSENT
        case Goal.STOPPED:
            return bool(current) and not any(each.up for each in seen.containers)
        case _:
            return any(each.running for each in current)
