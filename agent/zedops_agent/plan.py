"""Plans the next steps of one server: a pure function of (desired, observed, memory, now).

A plan is a short list of small steps. Each step is one Engine call or one change of a directory,
and carries its cause, for people. Kill the agent between any two steps: the next look sees the
state, and the next plan has the remaining steps. Two rules outrank all others. zedops never starts
or makes again a server that had a world and has lost it. And it never removes the container that
works before its replacement has proven itself.

Every plan begins here. `data_guard` forbids starts, and each case has its module: `drift` plans for
a server that already has the right container, `plan_creation` for one without it. `plan_failure`
goes back or tries again, `plan_adoption` takes a container over, `plan_ending` ends a server.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.data_guard import Ban, ban, began_over_nothing
from zedops_agent.drift import keep, left_to_agent
from zedops_agent.memory import Memory, matches, may_return
from zedops_agent.observed import Container, Observed
from zedops_agent.plan_adoption import adopt_container
from zedops_agent.plan_creation import make_container
from zedops_agent.plan_ending import end_all, end_astray, end_container, stop_all
from zedops_agent.plan_failure import after_failure, give_up, give_up_unready, keeps_crashing
from zedops_agent.readiness import never_passed
from zedops_agent.steps import CheckPorts, MakeData, Plan, Pull, Step, StopContainer

#: Steps that leave a running server alone.
_BEFORE = (Pull, MakeData, CheckPorts)


def container_name(fleet: str, server: str) -> str:
    """Name a server's container."""
    return f"{fleet}-{server}"


def make_plan(
    fleet: str, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
) -> Plan:
    """Decide the next steps for one server."""
    if want.goal.ends:
        return end_all(want, seen, memory, now)
    name = container_name(fleet, want.name)
    current, previous, surplus = _sort(name, want, seen, memory)
    banned = ban(want, seen, memory)
    if banned is not None:
        return _guarded(banned, want, seen, current, memory)
    if lost := end_astray(seen):
        return Plan(lost)
    if (adoption := adopt_container(want, seen, memory, now)) is not None:
        return adoption
    comes_back = may_return(previous, memory)
    if current is not None and want.goal is Goal.RUNNING and keeps_crashing(current, memory):
        return replace(give_up(want, current), comes_back=comes_back)
    ready = want.definition.ready
    fact = current and never_passed(ready, current, previous, memory, now)
    if current is not None and fact and want.goal is Goal.RUNNING:
        return replace(give_up_unready(want, current, fact), comes_back=True)
    if memory.failure is not None and memory.failure.hash == want.hash:
        plan = after_failure(name, want, seen, current, previous, memory, now)
    elif current is None:
        plan = make_container(name, want, previous, memory)
    else:
        plan = keep(name, want, seen, current, previous, memory, now)
    return replace(_cleared(plan, surplus, want), comes_back=comes_back)


def _sort(
    name: str, want: DesiredServer, seen: Observed, memory: Memory
) -> tuple[Container | None, Container | None, list[Container]]:
    """Tell the container that matches the definition from the one it replaces, and from the rest.

    A rest exists if a definition changed again before the last change had proven itself, or if a
    creation did not finish. The container that proved itself last stays until another one has; if
    none did, the container that was put aside stays.
    """

    def rank(each: Container) -> tuple[bool, bool, bool]:
        return each.id == memory.proven, each.up, each.name != name

    current = previous = None
    surplus = [each for each in seen.containers if each.unfinished]
    whole = [each for each in seen.containers if not each.unfinished]
    for each in sorted(whole, key=rank):
        if matches(each, want):
            surplus += [current] if current else []
            current = each
        else:
            surplus += [previous] if previous else []
            previous = each
    return current, previous, surplus


def _cleared(plan: Plan, surplus: list[Container], want: DesiredServer) -> Plan:
    """End the surplus containers, before a step needs their names or their ports."""
    ends = [step for each in surplus for step in end_container(each, want, "superseded")]
    at = next((i for i, each in enumerate(plan.steps) if not isinstance(each, _BEFORE)), 0)
    return replace(plan, steps=(*plan.steps[:at], *ends, *plan.steps[at:]))


def _guarded(
    banned: Ban, want: DesiredServer, seen: Observed, current: Container | None, memory: Memory
) -> Plan:
    """Start nothing. A running container goes on, unless it began over a lost world."""
    if want.goal is Goal.STOPPED:
        plan = stop_all(want, seen)
    else:
        plan = Plan((*left_to_agent(want, seen, current), *_intruders(want, seen, memory)))
    if banned.is_lost:
        return replace(plan, lost=banned.text)
    if want.goal is Goal.STOPPED or any(each.up for each in seen.containers):
        return replace(plan, note=banned.text)
    return replace(plan, refused=banned.text)


def _intruders(want: DesiredServer, seen: Observed, memory: Memory) -> tuple[Step, ...]:
    steps: list[Step] = []
    for each in seen.containers:
        if each.up and (key := began_over_nothing(each, seen, memory)) is not None:
            cause = f"it began after the data of volume {key!r} was lost"
            steps.append(StopContainer(each.id, want.definition.stop, cause))
    return tuple(steps)
