"""Plans for a server that failed or keeps crashing: back, once more, or no further. Pure.

It never ends the container that works for one that has not proven itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.crashes import CRASH_BUDGET, CRASH_WINDOW_S, died
from zedops_agent.drift import keep
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, Observed
from zedops_agent.plan_creation import make_container
from zedops_agent.plan_ending import end_container, stop_all
from zedops_agent.steps import GiveUp, Plan, Rename, Start, Step


def keeps_crashing(current: Container, memory: Memory) -> bool:
    """Say whether a server crashed too often, or once more after a wait."""
    if not (current.up or died(current)):
        return False
    failure = memory.failure
    if failure is None or not failure.crashed:
        return len(memory.crashes) >= CRASH_BUDGET
    return failure.at is None or any(at > failure.at for at in memory.crashes)


def give_up(want: DesiredServer, current: Container) -> Plan:
    """Stop a server that keeps crashing, and name the facts of its last end."""
    window = f"{CRASH_WINDOW_S / 60:.0f} min"
    cause = f"crashed {CRASH_BUDGET} times within {window}"
    if current.exit_code is not None:
        cause += f", last exit code {current.exit_code}"
    if current.oom_killed:
        cause += ", out of memory"
    ran_s = 0.0
    if current.started_at is not None and current.finished_at is not None:
        ran_s = max(0.0, (current.finished_at - current.started_at).total_seconds())
    return Plan((GiveUp(current.id, want.definition.stop, cause, ran_s),))


def give_up_unready(want: DesiredServer, current: Container, fact: str) -> Plan:
    """End an update that does not pass its checks; the previous container comes back."""
    return Plan((GiveUp(current.id, want.definition.stop, fact),))


def after_failure(
    name: str,
    want: DesiredServer,
    seen: Observed,
    current: Container | None,
    previous: Container | None,
    memory: Memory,
    now: datetime,
) -> Plan:
    """Bring the previous container back if it may return; else try again when it is time.

    A failure with a retry came before any stop. So no container has to come back then, unless a
    stopped server with a previous container must run again.
    """
    failure = memory.failure
    if failure is None:
        return Plan()
    tries_on = failure.retry_at is not None
    if previous is not None and (not tries_on or (failure.served and current is None)):
        cause = "the new definition failed; the previous container goes on"
        steps: list[Step] = end_container(current, want, cause) if current is not None else []
        runs_again = want.goal is Goal.RUNNING and (tries_on or memory.goal is not Goal.STOPPED)
        starts = runs_again and not previous.up
        tried = not tries_on and current is None and previous.name == name
        if starts and tried and failure.not_before is not None and now < failure.not_before:
            return Plan(again_at=failure.not_before)
        if previous.name != name and not previous.adopted:
            steps.append(Rename(previous.id, name, cause))
        if starts:
            steps.append(Start(previous.id, cause))
        if steps:
            return Plan(tuple(steps))
    if want.goal is Goal.STOPPED and any(each.up for each in seen.containers):
        return stop_all(want, seen)  # that needs no creation
    if failure.retry_at is None:
        return Plan()
    if now < failure.retry_at:
        return replace(_renamed(name, current or previous), again_at=failure.retry_at)
    if current is None:
        return make_container(name, want, previous, memory)
    return keep(name, want, seen, current, previous, memory, now)


def _renamed(name: str, standing: Container | None) -> Plan:
    """Give the present container its name: a server may get another name while it is failed."""
    if standing is None or standing.name == name or standing.adopted:
        return Plan()
    return Plan((Rename(standing.id, name, "renamed"),))
