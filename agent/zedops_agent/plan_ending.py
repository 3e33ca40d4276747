"""Plans the end of a server's containers, and of its data after a purge alone. Pure."""

from __future__ import annotations

from datetime import datetime

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, Observed, Phase, Presence
from zedops_agent.steps import EndAstray, Plan, Remove, RemoveData, Step, StopContainer


def end_all(want: DesiredServer, seen: Observed, memory: Memory, now: datetime) -> Plan:
    """Take the containers down, then, for a purge, remove the data."""
    if lost := end_astray(seen):
        return Plan(lost)
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


def _take_down(seen: Observed, want: DesiredServer) -> tuple[Step, ...]:
    steps: list[Step] = []
    for each in seen.containers:
        steps += end_container(each, want, "the definition was removed")
    return tuple(steps)


def end_container(container: Container, want: DesiredServer, cause: str) -> list[Step]:
    """Stop a container if it is up, and remove it."""
    steps: list[Step] = []
    if container.up:
        steps.append(StopContainer(container.id, want.definition.stop, cause))
    if container.phase is not Phase.REMOVING:
        steps.append(Remove(container.id, cause))
    return steps


def end_astray(seen: Observed) -> tuple[Step, ...]:
    """End processes that the Engine has lost track of, before anything else is done to a server."""
    cause = "the Engine has lost track of it"
    return tuple(EndAstray(each.id, cause) for each in seen.containers if each.astray)


def stop_all(want: DesiredServer, seen: Observed) -> Plan:
    """Stop every container that is up, and keep each."""
    ups = [each for each in seen.containers if each.up]
    cause = "desired: stopped"
    return Plan(tuple(StopContainer(each.id, want.definition.stop, cause) for each in ups))
