"""Runs the steps of one plan; a failure ends the plan, and memory keeps it. It plans nothing."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from zedops.errors import (
    DataAtRisk,
    EngineFailed,
    EngineUnreachable,
    LookOutdated,
    RootGone,
    ZedopsError,
)
from zedops.protocol.sync import DesiredServer, Goal, Progress
from zedops.spec.state_block import brief
from zedops.system import failpoints
from zedops_agent.astray import LostTrack
from zedops_agent.container_runs import ContainerRuns, GaveUp
from zedops_agent.desired import Desired
from zedops_agent.executor import Executor
from zedops_agent.failures import failed
from zedops_agent.memory import matches
from zedops_agent.metrics import AgentMetrics
from zedops_agent.observed import Observed
from zedops_agent.port_check import Waits
from zedops_agent.start_order import WaitsForServer
from zedops_agent.steps import GiveUp, Plan, Start, Step, StopContainer
from zedops_agent.stops import SIGKILLED, Stopped
from zedops_agent.store import Store

log = logging.getLogger(__name__)

#: Steps after which a failed attempt has cost the previous container its run.
_DISRUPTIVE = (StopContainer, Start)


class Ran(NamedTuple):
    """The result of a plan: a note for people, and whether every step was done and is known."""

    note: str | None = None
    whole: bool = False
    waits: bool = False  #: for another server, which is about to leave something


class _Attempt(NamedTuple):
    """A plan for a server, and what has happened on the way."""

    plan: Plan
    want: DesiredServer
    seen: Observed
    was_down: bool  #: an earlier plan has stopped the server for a change, and got no further
    disrupted: bool = False  #: a step of this plan has cost the previous container its run


class PlanRunner:
    """Runs one plan for a server at a time; several threads may each run another server's."""

    def __init__(
        self, host: str, workshop: Executor, runs: ContainerRuns, desired: Desired, store: Store,
        metrics: AgentMetrics, progress: Callable[[Progress], None],
    ) -> None:
        self._workshop, self._runs, self._desired = workshop, runs, desired
        self._store, self._metrics = store, metrics
        self._host, self._tell = host, progress
        #: The beginning of a server's wait for others (monotonic), and whether it stopped for them.
        self._waiting: dict[str, tuple[float, bool]] = {}
        #: What a start waits for, in words.
        self._first: dict[str, str] = {}
        self.stopping = False

    def waits_no_more(self, server_id: str) -> None:
        """Forget a server's wait for others: its next one begins from its own start."""
        self._waiting.pop(server_id, None)
        self._first.pop(server_id, None)

    def waits_for(self, server_id: str) -> str | None:
        """Say which server a start waits for."""
        return self._first.get(server_id)

    def run(self, plan: Plan, want: DesiredServer, seen: Observed, *, was_down: bool) -> Ran:
        """Do a plan's steps, until one fails or something else is asked for."""
        with contextlib.ExitStack() as away:
            return self._run(_Attempt(plan, want, seen, was_down), away)

    def _run(self, attempt: _Attempt, away: contextlib.ExitStack) -> Ran:
        plan, want, seen, *_ = attempt
        note, leaves = plan.note, _leaves_at(plan.steps)
        for index, step in enumerate(plan.steps):
            if self._is_over(step, want):
                return Ran(note)
            log.info("%s: %s", want.name, step, extra={"server": want.name, "cause": step.cause})
            if isinstance(step, _DISRUPTIVE):
                attempt = attempt._replace(disrupted=True)
            try:
                with self._metrics.step(type(step).__name__):
                    if index == leaves:
                        away.enter_context(self._runs.away(want))
                    told = self._workshop.carry_out(step, want, seen, self._progress(want))
                failpoints.point(f"{failpoints.STEP}{type(step).__name__}")
            except EngineUnreachable:
                raise
            except (LookOutdated, RootGone) as error:
                log.info("%s: looking again: %s", want.name, error)
                return Ran(plan.note)
            except Waits as error:
                return Ran(plan.note, waits=self._waits_on(attempt, step, error))
            except ZedopsError as error:
                self._keep_failure(attempt, step, error)
                return Ran(plan.note)
            except Exception as error:
                log.exception("%s: %s failed", want.name, type(step).__name__)
                self._keep_bug(attempt, step, error)
                return Ran(plan.note)
            if isinstance(told, str):
                note = "; ".join(each for each in (note, told) if each)
            elif told is not None and is_worth_telling(told, want):
                note = str(told)
        return Ran(note, whole=True)

    def _is_over(self, step: Step, want: DesiredServer) -> bool:
        """Say whether a plan ends before a step: something else is asked for by now."""
        if self.stopping or self._desired.is_superseded(want):
            return True
        return self._desired.draining and not isinstance(step, StopContainer)

    def _progress(self, want: DesiredServer) -> Callable[[str], None]:
        return lambda text: self._tell(Progress(host=self._host, id=want.id, text=brief(text)))

    def _waits_on(self, attempt: _Attempt, step: Step, error: Waits) -> bool:
        """Say whether to look again for a port that another server will leave; or it failed."""
        want = attempt.want
        since_s, gave_way = self._waiting.get(want.id, (time.monotonic(), False))
        gave_way = gave_way or error.gave_way
        if isinstance(error, WaitsForServer):
            self._first[want.id] = str(error)
        self._waiting[want.id] = since_s, gave_way
        if time.monotonic() < since_s + error.within_s:
            return True
        self.waits_no_more(want.id)
        served = gave_way or any(each.running for each in attempt.seen.containers)
        self._remember_failure(want, step, str(error), retry=True, served=served)
        return False

    def _keep_failure(self, attempt: _Attempt, step: Step, error: ZedopsError) -> None:
        """Keep the failure of a step; raise the other errors again."""
        if not isinstance(error, (EngineFailed, DataAtRisk)):
            raise error
        plan, want, seen, was_down, disrupted = attempt
        back = plan.comes_back and not isinstance(error, LostTrack)
        retry = not (back and (disrupted or isinstance(error, GaveUp)))
        served = was_down or any(
            each.running and not matches(each, want) for each in seen.containers
        )
        self._remember_failure(want, step, str(error), retry=retry, served=served)

    def _keep_bug(self, attempt: _Attempt, step: Step, error: Exception) -> None:
        plan, want, _, was_down, disrupted = attempt
        retry = not (plan.comes_back and disrupted)
        text = f"{type(error).__name__}: {error}; this is a bug, see the agent's log"
        self._remember_failure(want, step, text, retry=retry, served=was_down)

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


def is_worth_telling(how: Stopped, want: DesiredServer) -> bool:
    """Say whether a container's end is news: a person asked for it, or it was killed."""
    return how.exit_code == SIGKILLED or want.goal is not Goal.RUNNING


def _leaves_at(steps: Sequence[Step]) -> int | None:
    """Find the first step that stops a server which a later step starts again, if any."""
    kinds = [type(each) for each in steps]
    return kinds.index(StopContainer) if {StopContainer, Start} <= set(kinds) else None
