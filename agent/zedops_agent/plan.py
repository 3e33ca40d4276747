"""What to do next for one server: a pure function of (desired, observed, memory, now).

A plan is a short list of small steps, each one Engine call or one touch of a directory, each with
the cause that a person will read. Kill the agent between any two steps: the next look finds where
things stand and plans the rest. Two rules outrank all others. A server whose world was there and
is not any more is never started or made anew. And the container that works is not removed before
the one that replaces it has proven itself. All of an agent's rules stand here, in one place, which
makes the module longer than most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from zedops.model import Drift, Publish
from zedops.wire import DesiredServer, Goal
from zedops_agent.container import ceilings
from zedops_agent.memory import CRASH_BUDGET, CRASH_WINDOW_S, Memory, matches
from zedops_agent.observed import Container, Observed, Phase, Presence
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
    GiveUp,
    MakeData,
    Pull,
    Remove,
    RemoveData,
    Rename,
    Restart,
    Start,
    Step,
    StopContainer,
    Unpause,
    Update,
)

#: A new container has proven itself after running this long; only then the previous one goes.
PROVEN_S = 10.0
#: A started server is watched this long, this often, for the first data that it writes.
FIRST_DATA_S = 60.0
FIRST_DATA_LOOK_S = 2.0
#: Steps that take nothing from what runs.
_BEFORE = (Pull, MakeData, CheckPorts)


@dataclass(frozen=True)
class Plan:
    """Steps in order; when to look again without being woken; what is worth saying."""

    steps: tuple[Step, ...] = ()
    again_at: datetime | None = None
    note: str | None = None
    lost: str | None = None  #: what data is gone and what to do; nothing is started
    refused: str | None = None  #: why what is asked for is not done, until one of the two changes


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
    current, previous, surplus = _sort(name, want, seen)
    guard = _guard(want, seen, memory)
    if guard is not None:
        return _guarded(guard, want, seen)
    if (adoption := _adopt(want, seen, memory)) is not None:
        return adoption
    if current is not None and len(memory.crashes) >= CRASH_BUDGET and current.up:
        return _give_up(want, current)
    if memory.failure is not None and memory.failure.hash == want.hash:
        plan = _after_failure(name, want, seen, current, previous, memory, now)
    elif current is None:
        plan = _make(name, want, previous, memory)
    else:
        plan = _keep(name, want, seen, current, previous, memory, now)
    return _cleared(plan, surplus, want)


def _sort(
    name: str, want: DesiredServer, seen: Observed
) -> tuple[Container | None, Container | None, list[Container]]:
    """Tell the container that matches the definition from the one it replaces, and from the rest.

    There is a rest where a definition changed again before the last change had proven itself. Of
    two that stand still, the one that was put aside did work; the other one never proved that.
    """
    current = previous = None
    surplus: list[Container] = []
    for each in sorted(seen.containers, key=lambda each: (each.up, each.name != name)):
        if matches(each, want):
            surplus += [current] if current else []
            current = each
        else:
            surplus += [previous] if previous else []
            previous = each
    return current, previous, surplus


def _cleared(plan: Plan, surplus: list[Container], want: DesiredServer) -> Plan:
    """End what is neither current nor previous, before a step needs its name or its ports."""
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


def _guard(want: DesiredServer, seen: Observed, memory: Memory) -> str | None:
    """Say what forbids starting this server, or None. The empty text means: could not look."""
    ways = f"put it back, or let it go with `zedops purge {want.name} --data`"
    for volume in seen.volumes:
        if volume.marker is Presence.FOREIGN:
            return f"volume {volume.key!r} holds another server's data; {ways}"
        if Presence.UNKNOWN in (volume.marker, volume.content):
            return ""
        if volume.key in memory.data_seen:
            if volume.marker is Presence.ABSENT and volume.content is Presence.PRESENT:
                marker = f'.zedops.json with {{"id": "{want.id}"}}'
                return f"volume {volume.key!r} lacks its marker; if it is the one, add {marker}"
            if volume.marker is Presence.ABSENT:
                return f"volume {volume.key!r} is gone, or not this server's any more; {ways}"
            if volume.content is Presence.ABSENT:
                return f"volume {volume.key!r} is empty and held data before; {ways}"
    if want.data_expected and seen.volumes and not seen.data_exists:
        return f"the data is gone; {ways}"
    return None


def _guarded(guard: str, want: DesiredServer, seen: Observed) -> Plan:
    plan = _stopped(want, seen) if want.goal is Goal.STOPPED else Plan()
    return replace(plan, lost=guard or None)


def _stopped(want: DesiredServer, seen: Observed) -> Plan:
    ups = [each for each in seen.containers if each.up]
    cause = "desired: stopped"
    return Plan(tuple(StopContainer(each.id, want.definition.stop, cause) for each in ups))


def _adopt(want: DesiredServer, seen: Observed, memory: Memory) -> Plan | None:
    """Take over somebody else's container, if it is exactly what the definition asks for.

    One that differs is left alone, and nothing is made beside it: both would use the same data.
    """
    name, candidate = want.definition.adopt, seen.candidate
    if name is None or candidate is None or seen.containers or memory.adopted is not None:
        return None
    if candidate.container is None:
        if want.created:
            return None
        remedy = "correct `adopt:`, or remove it to have a new one made"
        return Plan(refused=f"there is no container {name!r} on this host; {remedy}")
    if candidate.owner is not None:
        remedy = "see `zedops orphans`"
        return Plan(refused=f"container {name!r} is of fleet {candidate.owner!r}; {remedy}")
    if candidate.differences:
        what = ", ".join(candidate.differences)
        remedy = f"correct the definition (`zedops import {name} --print`), or remove that one"
        return Plan(refused=f"container {name!r} is not what is asked for: {what}; {remedy}")
    note = f"adopted: the container {name!r} goes on as it was"
    return Plan((Adopt(candidate.container, "adopt was asked for"),), note=note)


def _give_up(want: DesiredServer, current: Container) -> Plan:
    window = f"{CRASH_WINDOW_S / 60:.0f} min"
    cause = f"crashed {CRASH_BUDGET} times within {window}, last exit code {current.exit_code}"
    if current.oom_killed:
        cause += ", out of memory"
    return Plan((GiveUp(current.id, want.definition.stop, cause),))


def _after_failure(
    name: str,
    want: DesiredServer,
    seen: Observed,
    current: Container | None,
    previous: Container | None,
    memory: Memory,
    now: datetime,
) -> Plan:
    """Bring the previous container back if there is one; else try again when it is time.

    A failure that may be retried came before anything was stopped: there is nothing to bring back,
    and once the retry has gone through, the failure is only not forgotten yet.
    """
    failure = memory.failure
    if failure is None:
        return Plan()
    if previous is not None and not previous.up and failure.retry_at is None:
        tried = current is None and previous.name == name
        if tried and failure.not_before is not None and now < failure.not_before:
            return Plan(again_at=failure.not_before)
        cause = "the new definition failed; the previous container goes on"
        steps: list[Step] = _end(current, want, cause) if current is not None else []
        if previous.name != name:
            steps.append(Rename(previous.id, name, cause))
        if want.goal is Goal.RUNNING and memory.goal is not Goal.STOPPED:
            steps.append(Start(previous.id, cause))
        if steps:
            return Plan(tuple(steps))
    if want.goal is Goal.STOPPED and any(each.up for each in seen.containers):
        return _stopped(want, seen)
    if failure.retry_at is None:
        return Plan()
    if now < failure.retry_at:
        return Plan(again_at=failure.retry_at)
    if current is None:
        return _make(name, want, previous, memory)
    return _keep(name, want, seen, current, previous, memory, now)


def _make(name: str, want: DesiredServer, previous: Container | None, memory: Memory) -> Plan:
    """Make the container: the first one, a lost one again, or one that replaces another."""
    cause, note, newest = "new server", None, False
    if previous is not None and not _vanished(want, previous, memory):
        newest = previous.definition == want.hash
        cause = "rebuild was asked for" if newest else "the definition changed"
    elif memory.goal is Goal.DELETED:
        cause = "restored"
    elif want.created or memory.created:
        if want.drift is Drift.REPORT and memory.goal is want.goal:
            return Plan(note="removed outside zedops; left so by `drift: report`")
        cause = "the container was gone"
        note = "recovered: the container was gone and was made anew from the definition"
    steps: list[Step] = [Pull(want.definition.image, newest, cause), MakeData(cause)]
    if any(each.publish is not Publish.NONE for each in want.definition.ports.values()):
        steps.append(CheckPorts(stopped_too=note is None, cause=cause))
    if previous is not None:
        if previous.up:
            steps.append(StopContainer(previous.id, want.definition.stop, cause))
        if previous.name == name or previous.adopted:
            steps.append(Rename(previous.id, f"{name}-previous", cause))
    steps.append(Create(name, cause))
    if want.goal is Goal.RUNNING:
        steps.append(Start(name, cause))
    return Plan(tuple(steps), note=note)


def _vanished(want: DesiredServer, previous: Container, memory: Memory) -> bool:
    """Tell a container that was removed by hand from one that is to replace `previous`."""
    return memory.applied == want.hash != previous.definition and not previous.up


def _keep(
    name: str,
    want: DesiredServer,
    seen: Observed,
    current: Container,
    previous: Container | None,
    memory: Memory,
    now: datetime,
) -> Plan:
    """The right container is there: see that it does what is asked for."""
    if current.phase in (Phase.REMOVING, Phase.DEAD):
        return Plan(again_at=now + timedelta(seconds=1))
    steps: list[Step] = []
    again_at: datetime | None = None
    note: str | None = None
    if previous is not None and previous.up:
        steps.append(StopContainer(previous.id, want.definition.stop, "superseded"))
    if current.name != name and not current.adopted:
        if previous is not None and previous.name == name:  # the change was taken back at once
            steps.append(Rename(previous.id, f"{name}-superseded", "superseded"))
        steps.append(Rename(current.id, name, "renamed"))
    if _is_changed(want, current):
        if want.drift is Drift.HEAL:
            wanted = ceilings(want.definition)
            steps.append(Update(current.id, wanted, "its limits were changed outside zedops"))
        else:
            note = "its limits were changed outside zedops; left so by `drift: report`"
    if want.goal is Goal.STOPPED:
        if current.up:
            steps.append(StopContainer(current.id, want.definition.stop, "desired: stopped"))
    else:
        more, said = _run(want, seen, current, memory)
        steps, note = steps + more, said or note
    started_at = current.started_at or now
    if current.running and seen.data_exists is False and seen.volumes:
        soon = started_at + timedelta(seconds=FIRST_DATA_S)
        again_at = now + timedelta(seconds=FIRST_DATA_LOOK_S) if now < soon else None
    if previous is not None:
        proven_at = started_at + timedelta(seconds=PROVEN_S)
        if want.goal is Goal.STOPPED or (current.running and now >= proven_at):
            steps.append(Remove(previous.id, "superseded"))
        elif current.running:
            again_at = min(again_at or proven_at, proven_at)
    return Plan(tuple(steps), again_at, note)


def _is_changed(want: DesiredServer, current: Container) -> bool:
    """See whether `docker update` went behind the definition. No limit asked for: any will do."""
    wanted, shown = ceilings(want.definition), current.ceilings
    if shown is None:
        return False
    return (
        wanted.memory_bytes not in (0, shown.memory_bytes)
        or wanted.nano_cpus not in (0, shown.nano_cpus)
        or (wanted.pids, wanted.restart_policy) != (shown.pids, shown.restart_policy)
    )


def _run(
    want: DesiredServer, seen: Observed, current: Container, memory: Memory
) -> tuple[list[Step], str | None]:
    """See that the right container runs."""
    token = want.definition.restart
    asked = token is not None and token != memory.restart
    if token is not None and asked and current.phase is not Phase.CREATED:
        return [Restart(current.id, want.definition.stop, token, "restart was asked for")], None
    if current.phase is Phase.RESTARTING or current.phase is Phase.RUNNING:
        return [], None
    left_alone = want.drift is Drift.REPORT and memory.goal is want.goal
    if current.phase is Phase.PAUSED:
        if left_alone:
            return [], "paused outside zedops; left so by `drift: report`"
        return [Unpause(current.id, "paused outside zedops")], None
    if current.phase is Phase.EXITED and left_alone:
        return [], "stopped outside zedops; left so by `drift: report`"
    reached = memory.goal is want.goal and current.phase is Phase.EXITED
    cause = "stopped outside zedops" if reached else "desired: running"
    unmade = any(each.marker is Presence.ABSENT for each in seen.volumes)
    return [*([MakeData(cause)] if unmade else []), Start(current.id, cause)], None
