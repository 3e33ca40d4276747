"""Plans the next steps of one server: a pure function of (desired, observed, memory, now).

A plan is a short list of small steps. Each step is one Engine call or one change of a directory,
and carries its cause, for people. Kill the agent between any two steps: the next look sees the
state, and the next plan has the remaining steps. Two rules outrank all others. zedops never starts
or makes again a server that had a world and has lost it. And it never removes the container that
works before its replacement has proven itself.

Every plan begins here: to end a server, to adopt a container, to make one, to go back after a
failure. `data_guard` forbids starts; `drift` plans for a server that already has the right
container.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from zedops.protocol.remarks import LEFT_SO
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.container_options import PullPolicy
from zedops.spec.model import Drift
from zedops_agent.data_guard import Ban, ban, began_over_nothing
from zedops_agent.drift import keep, left_to_agent
from zedops_agent.memory import (
    CRASH_BUDGET,
    CRASH_WINDOW_S,
    Memory,
    died,
    matches,
    may_return,
)
from zedops_agent.observed import NEXT, Candidate, Container, Observed, Phase, Presence
from zedops_agent.ports import bindings
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
    GiveUp,
    MakeData,
    Plan,
    Pull,
    Remove,
    RemoveData,
    Rename,
    Start,
    Step,
    StopContainer,
)

#: The time between looks at a container that zedops cannot adopt.
STRANGER_LOOK_S = 60.0
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
        return _end_all(want, seen, memory, now)
    name = container_name(fleet, want.name)
    current, previous, surplus = _sort(name, want, seen, memory)
    banned = ban(want, seen, memory)
    if banned is not None:
        return _guarded(banned, want, seen, current, memory)
    if (adoption := _adopt(want, seen, memory, now)) is not None:
        return adoption
    comes_back = may_return(previous, memory)
    if current is not None and want.goal is Goal.RUNNING and _keeps_crashing(current, memory):
        return replace(_give_up(want, current), comes_back=comes_back)
    if memory.failure is not None and memory.failure.hash == want.hash:
        plan = _after_failure(name, want, seen, current, previous, memory, now)
    elif current is None:
        plan = _make(name, want, previous, memory)
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
    ends = [step for each in surplus for step in _end(each, want, "superseded")]
    at = next((i for i, each in enumerate(plan.steps) if not isinstance(each, _BEFORE)), 0)
    return replace(plan, steps=(*plan.steps[:at], *ends, *plan.steps[at:]))


def _take_down(seen: Observed, want: DesiredServer) -> tuple[Step, ...]:
    steps: list[Step] = []
    for each in seen.containers:
        steps += _end(each, want, "the definition was removed")
    return tuple(steps)


def _end_all(want: DesiredServer, seen: Observed, memory: Memory, now: datetime) -> Plan:
    """Take the containers down, then, for a purge, remove the data."""
    failure = memory.failure
    again_at = failure.not_before if failure and failure.goal is want.goal else None
    if again_at is not None and now < again_at:
        return Plan(again_at=again_at)
    if seen.containers:
        return Plan(_take_down(seen, want))
    if want.goal is Goal.PURGED and seen.root_gone is not None:
        return Plan(refused=seen.root_gone)
    if want.goal is Goal.PURGED and seen.home is not Presence.ABSENT:
        return Plan((RemoveData("a purge with its data was asked for"),))
    return Plan()


def _end(container: Container, want: DesiredServer, cause: str) -> list[Step]:
    steps: list[Step] = []
    if container.up:
        steps.append(StopContainer(container.id, want.definition.stop, cause))
    if container.phase is not Phase.REMOVING:
        steps.append(Remove(container.id, cause))
    return steps


def _guarded(
    banned: Ban, want: DesiredServer, seen: Observed, current: Container | None, memory: Memory
) -> Plan:
    """Start nothing. A running container goes on, unless it began over a lost world."""
    if want.goal is Goal.STOPPED:
        plan = _stopped(want, seen)
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


def _stopped(want: DesiredServer, seen: Observed) -> Plan:
    ups = [each for each in seen.containers if each.up]
    cause = "desired: stopped"
    return Plan(tuple(StopContainer(each.id, want.definition.stop, cause) for each in ups))


def _adopt(want: DesiredServer, seen: Observed, memory: Memory, now: datetime) -> Plan | None:
    """Adopt a container that zedops did not make, if it matches the definition exactly.

    zedops leaves one that differs alone, and makes none beside it: both would use the same data.
    No event tells of its correction, because it is not the fleet's: the agent looks again.
    """
    name, candidate = want.definition.adopt, seen.candidate
    if name is None or candidate is None or seen.containers or memory.adopted is not None:
        return None
    if candidate.container is None and want.created:
        return None
    refused = _refusal(name, candidate)
    if refused is not None or candidate.container is None:
        return Plan(again_at=now + timedelta(seconds=STRANGER_LOOK_S), refused=refused)
    failure = memory.failure if memory.failure and memory.failure.hash == want.hash else None
    if failure is not None and (failure.retry_at is None or now < failure.retry_at):
        return Plan(again_at=failure.retry_at)  # for example, the host's policy forbids it
    note = f"adopted: the container {name!r} goes on as it was"
    return Plan((Adopt(candidate.container, "adopt was asked for"),), note=note)


def _refusal(name: str, candidate: Candidate) -> str | None:
    """Say why zedops does not adopt a container, and the remedy; None if it matches."""
    if candidate.container is None:
        remedy = "correct `adopt:`, or remove it to have a new one made"
        return f"there is no container {name!r} on this host; {remedy}"
    if candidate.owner is not None:
        return f"container {name!r} is of fleet {candidate.owner!r}; see `zedops orphans`"
    if candidate.unsaid:
        what = ", ".join(candidate.unsaid)
        fact = f"container {name!r} has options that no definition can express: {what}; not adopted"
        return f"{fact}; stop and remove that one, then remove `adopt:` to have a new one made"
    if candidate.differences:
        what = ", ".join(candidate.differences)
        remedy = f"correct the definition (`zedops import {name} --print`), or remove that one"
        return f"container {name!r} differs from the definition: {what}; {remedy}"
    return None


def _keeps_crashing(current: Container, memory: Memory) -> bool:
    """Say whether a server crashed too often, or once more after a wait."""
    if not (current.up or died(current)):
        return False
    failure = memory.failure
    if failure is None or not failure.crashed:
        return len(memory.crashes) >= CRASH_BUDGET
    return failure.at is None or any(at > failure.at for at in memory.crashes)


def _give_up(want: DesiredServer, current: Container) -> Plan:
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


def _after_failure(
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
        steps: list[Step] = _end(current, want, cause) if current is not None else []
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
        return _stopped(want, seen)  # that needs no creation
    if failure.retry_at is None:
        return Plan()
    if now < failure.retry_at:
        return replace(_renamed(name, current or previous), again_at=failure.retry_at)
    if current is None:
        return _make(name, want, previous, memory)
    return keep(name, want, seen, current, previous, memory, now)


def _renamed(name: str, standing: Container | None) -> Plan:
    """Give the present container its name: a server may get another name while it is failed."""
    if standing is None or standing.name == name or standing.adopted:
        return Plan()
    return Plan((Rename(standing.id, name, "renamed"),))


def _make(name: str, want: DesiredServer, previous: Container | None, memory: Memory) -> Plan:
    """Make the container: the first one, a lost one again, or one that replaces another."""
    cause, note = "new server", None
    made_for = previous.rebuild if previous is not None else memory.rebuilt or ""
    known = previous is not None or memory.created
    newest = known and want.definition.rebuild not in (None, made_for)
    if previous is not None and not _vanished(want, previous, memory):
        cause = "the definition changed"
        if previous.definition == want.hash:
            stale = "a secret or a linked `source:` changed"
            cause = "rebuild was asked for" if newest else stale
    elif memory.goal is Goal.DELETED:
        cause = "restored"
    elif want.created or memory.created:
        if want.drift is Drift.REPORT and memory.goal is want.goal:
            return Plan(note=f"removed outside zedops; {LEFT_SO}")
        cause = "the container was gone"
        note = "recovered: the container was gone and was made again from the definition"
    steps: list[Step] = [MakeData(cause)]
    newest = newest or want.definition.pull is PullPolicy.ALWAYS
    ran = None if newest else memory.ran.get(want.definition.image)
    steps.insert(0, Pull(want.definition.image, newest, cause, ran))
    # a running container holds its ports, so only new ports need the check
    if bindings(want.definition) - (previous.bound if previous else frozenset()):
        steps.append(CheckPorts(stopped_too=note is None, cause=cause))
    # make it whole under another name, beside the one that runs: a failed creation stops nothing.
    # The Engine never starts a container by itself that never ran, under any restart policy
    beside = previous is not None or len(want.definition.network_names) > 1
    made = f"{name}{NEXT}" if beside else name
    steps.append(Create(made, cause))
    if previous is not None:
        if previous.up:
            steps.append(StopContainer(previous.id, want.definition.stop, cause))
        if previous.name == name or previous.adopted:
            steps.append(Rename(previous.id, f"{name}-previous", cause))
    if beside:
        steps.append(Rename(made, name, cause))
    if want.goal is Goal.RUNNING:
        steps.append(Start(name, cause))
    return Plan(tuple(steps), note=note)


def _vanished(want: DesiredServer, previous: Container, memory: Memory) -> bool:
    """Say whether a person removed the right container, and `previous` is only its predecessor."""
    return memory.applied == want.hash != previous.definition and not previous.up
