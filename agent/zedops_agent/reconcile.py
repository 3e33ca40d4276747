"""Brings one server to where its definition wants it: look, plan, do, look again, report."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from zedops import failpoints
from zedops.errors import (
    DataAtRisk,
    EngineFailed,
    EngineUnreachable,
    LookOutdated,
    PersistFailed,
    RootGone,
    ZedopsError,
)
from zedops.protocol.remarks import UNHEALTHY
from zedops.protocol.sync import (
    Activity,
    ContainerFacts,
    DesiredServer,
    Goal,
    Progress,
    ServerReport,
)
from zedops.spec.state_block import brief
from zedops_agent.draining import drained
from zedops_agent.executor import Executor, GaveUp, Waits
from zedops_agent.kills import Kills
from zedops_agent.memory import RETRY_MAX_S, Memory, failed, is_watched, matches, reached, remember
from zedops_agent.metrics import AgentMetrics
from zedops_agent.observed import Container, Observed, Phase, Presence
from zedops_agent.observer import Observer
from zedops_agent.plan import make_plan
from zedops_agent.steps import (
    Create,
    GiveUp,
    Plan,
    Pull,
    Remove,
    RemoveData,
    Start,
    Step,
    StopContainer,
)
from zedops_agent.stops import SIGKILLED, Stopped, stopped
from zedops_agent.store import Store

log = logging.getLogger(__name__)

#: A plan without an end is a bug; the agent goes on with it later, not in a tight loop.
_ROUNDS = 12
_ROUNDS_PAUSE_S = 5.0
#: The time between looks while a server waits for another one to leave a port.
_WAITS_LOOK_S = 0.5
#: The time until the next try after a failed write to the disk.
_NOT_KEPT_PAUSE_S = 10.0
#: The length of a failure's text in messages, so that the words after it stay visible.
_TEXT_MAX = 750
#: Messages give the time until the next try in these steps.
_SOON = (timedelta(minutes=1), timedelta(seconds=RETRY_MAX_S), timedelta.max)
#: Steps after which a failed attempt has cost the previous container its run.
_DISRUPTIVE = (StopContainer, Start)


class _Done(NamedTuple):
    """The result of a plan: a note for people, and whether every step was done and is known."""

    note: str | None = None
    whole: bool = False
    waits: bool = False  #: for another server, which is about to leave something


class Reconciler:
    """Works on one server at a time; several threads may each work on another server."""

    def __init__(
        self,
        fleet: str,
        host: str,
        lookout: Observer,
        workshop: Executor,
        store: Store,
        report: Callable[[ServerReport], None],
        progress: Callable[[Progress], None],
        metrics: AgentMetrics,
        cover: Callable[[str], None],
        kills: Kills,
    ) -> None:
        self._metrics = metrics
        self._cover, self._kills = cover, kills
        self._fleet, self._host = fleet, host
        self._lookout, self._workshop = lookout, workshop
        self._store = store
        self._tell, self._tell_progress = report, progress
        self._reported: dict[str, ServerReport] = {}
        #: The stamp of the document of the last work on each server.
        self._under: dict[str, tuple[int, int]] = {}
        #: The beginning of a server's wait for others (monotonic), and whether it stopped for them.
        self._waiting: dict[str, tuple[float, bool]] = {}
        self.stopping = False

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._reported.pop(server_id, None)
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
        done, seen = _Done(), None
        for _ in range(_ROUNDS):
            if self.stopping or self._workshop.is_superseded(want):
                return None  # the newer document has marked the server for another look
            now = datetime.now(UTC)
            try:
                before = self._store.load_memory(want.id)
            except PersistFailed as error:
                self._report_forgotten(want, since, str(error))
                raise
            if not done.whole or want.goal.ends:  # an end for good needs a list each time
                seen = None
            seen = self._lookout.look(want, before.adopted, self._cover, since, seen)
            is_kept = seen.root_gone is None  # else the memory of the server is away as well
            memory = remember(before, want, seen, now) if is_kept else before
            done = done._replace(note=done.note or self._ended_meanwhile(before, want, seen))
            if self._workshop.draining:
                plan, memory = drained(want, seen, memory)
            else:
                plan = make_plan(self._fleet, want, seen, memory, now)
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
            at_work = Activity.OTHER if plan.steps else None
            # first report the facts, then the work of the plan
            for activity in dict.fromkeys((at_work, _activity(plan, want))):
                self._report(want, seen, memory, plan, plan.note or done.note, activity)
            if not plan.steps:
                self._waiting.pop(want.id, None)
                return plan.again_at
            was_down = before.stopping is not None and memory.stopping is None
            done, since = self._do(plan, want, seen, was_down=was_down), time.monotonic()
            if done.waits:
                return datetime.now(UTC) + timedelta(seconds=_WAITS_LOOK_S)
        return datetime.now(UTC) + timedelta(seconds=_ROUNDS_PAUSE_S)

    def _report_forgotten(self, want: DesiredServer, since: float, text: str) -> None:
        """Report the facts of a server whose memory cannot be read; of its data none is sure."""
        mine = (key for key, each in self._store.adopted.items() if each == want.id)
        seen = self._lookout.look(want, next(mine, None), self._cover, since)
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

    def _do(self, plan: Plan, want: DesiredServer, seen: Observed, *, was_down: bool) -> _Done:
        """Do a plan's steps; a failure ends the plan, and memory keeps it.

        `was_down`: an earlier plan has stopped the server for a change, and got no further.
        """
        with contextlib.ExitStack() as away:
            return self._do_steps(plan, want, seen, away, was_down=was_down)

    def _do_steps(
        self, plan: Plan, want: DesiredServer, seen: Observed, away: contextlib.ExitStack,
        *, was_down: bool,
    ) -> _Done:
        note, leaves = plan.note, _leaves_at(plan.steps)
        disrupted = False
        for index, step in enumerate(plan.steps):
            if self.stopping or self._workshop.is_superseded(want):
                return _Done(note)
            if self._workshop.draining and not isinstance(step, StopContainer):
                return _Done(note)
            log.info("%s: %s", want.name, step, extra={"server": want.name, "cause": step.cause})
            disrupted = disrupted or isinstance(step, _DISRUPTIVE)
            try:
                with self._metrics.step(type(step).__name__):
                    if index == leaves:
                        away.enter_context(self._workshop.away(want))
                    told = self._workshop.carry_out(step, want, seen, self._progress(want))
                failpoints.point(f"{failpoints.STEP}{type(step).__name__}")
            except EngineUnreachable:
                raise
            except (LookOutdated, RootGone) as error:
                log.info("%s: looking again: %s", want.name, error)
                return _Done(plan.note)
            except Waits as error:
                if self._waits_on(want, error):
                    return _Done(plan.note, waits=True)
                gave_way = self._waiting.pop(want.id)[1]
                served = gave_way or any(each.running for each in seen.containers)
                self._remember_failure(want, step, str(error), retry=True, served=served)
                return _Done(plan.note)
            except (EngineFailed, DataAtRisk) as error:
                crashed = isinstance(error, GaveUp)
                retry = not (plan.comes_back and (disrupted or crashed))
                served = was_down or any(
                    each.running and not matches(each, want) for each in seen.containers
                )
                self._remember_failure(want, step, str(error), retry=retry, served=served)
                return _Done(plan.note)
            except ZedopsError:
                raise
            except Exception as error:
                log.exception("%s: %s failed", want.name, type(step).__name__)
                retry = not (plan.comes_back and disrupted)
                text = f"{type(error).__name__}: {error}; this is a bug, see the agent's log"
                self._remember_failure(want, step, text, retry=retry, served=was_down)
                return _Done(plan.note)
            if isinstance(told, str):
                note = "; ".join(each for each in (note, told) if each)
            elif told is not None and _is_worth_telling(told, want):
                note = str(told)
        return _Done(note, whole=True)

    def _waits_on(self, want: DesiredServer, error: Waits) -> bool:
        """Say whether to look again for a port that another server will leave."""
        since_s, gave_way = self._waiting.get(want.id, (time.monotonic(), False))
        self._waiting[want.id] = since_s, gave_way or error.gave_way
        return time.monotonic() < since_s + error.within_s

    def _remember_failure(
        self, want: DesiredServer, step: Step, text: str, *, retry: bool, served: bool
    ) -> None:
        kind, text = type(step).__name__, brief(text)  # it may hold a container's last words
        facts = {"server": want.name, "step": kind}
        log.warning("%s: %s failed: %s", want.name, kind, text, extra=facts)
        memory = self._store.load_memory(want.id)
        ran_s = step.ran_s if isinstance(step, GiveUp) else None
        now = datetime.now(UTC)
        made = failed(memory, want, text, now, retry=retry, ran_s=ran_s, served=served)
        self._store.save_memory(want.id, made)

    def _progress(self, want: DesiredServer) -> Callable[[str], None]:
        def tell(text: str) -> None:
            self._tell_progress(Progress(host=self._host, id=want.id, text=brief(text)))

        return tell

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
        report = report.model_copy(update={"under": under})
        last = self._reported.get(want.id)
        # answer each request to end a server, also a repeated one
        known = {"at": now} if want.goal.ends else {"at": now, "under": under}
        if last is not None and report == last.model_copy(update=known):
            return
        self._tell(report)
        self._reported[want.id] = report


def make_report(
    want: DesiredServer,
    seen: Observed,
    memory: Memory,
    plan: Plan,
    note: str | None,
    activity: Activity | None,
    now: datetime,
) -> ServerReport:
    """State the facts about one server. Pure."""
    telling = [
        each for each in seen.containers
        if want.goal.ends
        or each.up
        or (_stands(each, want, memory) and each.phase is not Phase.REMOVING)
    ]
    shown = max(telling, key=lambda each: (each.up, matches(each, want)), default=None)
    is_current = shown is not None and matches(shown, want)
    told = plan.lost or note or _health(shown)
    failure = plan.refused or _failure(memory, shown, is_current=is_current)
    return ServerReport(
        id=want.id,
        at=now,
        container=_facts(shown) if shown else None,
        data_exists=seen.data_exists,
        data_lost=plan.lost is not None,
        activity=activity,
        failure=brief(failure) if failure else None,
        note=brief(told) if told else None,
        about=want.commit,
        goal=want.goal,
        applied=is_current and activity is None and memory.failure is None and not plan.refused,
    )


def _leaves_at(steps: Sequence[Step]) -> int | None:
    """Find the first step that stops a server which a later step starts again, if any."""
    kinds = [type(each) for each in steps]
    return kinds.index(StopContainer) if {StopContainer, Start} <= set(kinds) else None


def _is_worth_telling(how: Stopped, want: DesiredServer) -> bool:
    """Say whether a container's end is news: a person asked for it, or it was killed."""
    return how.exit_code == SIGKILLED or want.goal is not Goal.RUNNING


def _how_it_went(memory: Memory, want: DesiredServer, seen: Observed) -> str | None:
    """Describe a stop that ended while no process of zedops waited for it."""
    for each in seen.containers:
        if memory.stopping is not None and memory.stopping.is_of(each) and not each.up:
            how = stopped(memory.stopping, each)
            return str(how) if _is_worth_telling(how, want) else None
    return None


def _health(shown: Container | None) -> str | None:
    if shown is None or not shown.running or not shown.unhealthy:
        return None
    return f"{UNHEALTHY}it runs, and its health check fails; its log may say why"


def _failure(memory: Memory, shown: Container | None, *, is_current: bool) -> str | None:
    """Describe the failure, its effect on players, and the wait until the next try.

    The wait has coarse steps: a time of day would be a commit for each attempt.
    """
    failure = memory.failure
    if failure is None:
        return None
    text = failure.text if len(failure.text) <= _TEXT_MAX else f"{failure.text[:_TEXT_MAX]}…"
    if shown is not None and shown.running and not is_current:
        text += "; the previous container runs on"
    rests = failure.goal is Goal.STOPPED and shown is not None and not shown.running
    if failure.retry_at is not None and failure.at is not None and not rests:
        within = next(each for each in _SOON if failure.retry_at - failure.at <= each)
        text += f"; next try within {within.seconds // 60 or 60} min"
    return text


def _stands(each: Container, want: DesiredServer, memory: Memory) -> bool:
    """Say whether a container at rest is the server: the right one, or the one to replace.

    If a person removed the right container, the former one does not count: the server is missing.
    """
    if each.unfinished:
        return False
    return matches(each, want) or each.definition == want.hash or memory.applied != want.hash


def _facts(container: Container) -> ContainerFacts:
    return ContainerFacts(
        id=container.id,
        running=container.running,
        image=container.image,
        exit_code=container.exit_code,
        oom_killed=container.oom_killed,
    )


def _activity(plan: Plan, want: DesiredServer) -> Activity | None:
    kinds = {type(step) for step in plan.steps}
    if kinds & {Pull, Create}:
        return Activity.CREATING
    if want.goal.ends and kinds & {StopContainer, Remove, RemoveData}:
        return Activity.REMOVING
    return Activity.OTHER if kinds - {Remove} else None


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
