"""What to do on a host whose Engine or machine is about to go: stop whatever is up. Pure."""

from __future__ import annotations

from zedops.wire import DesiredServer, Goal
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed
from zedops_agent.steps import Plan, StopContainer


def drained(want: DesiredServer, seen: Observed, memory: Memory) -> tuple[Plan, Memory]:
    """Stop whatever is up, and do nothing else: the Engine or the machine is about to go.

    What was stopped for that is started again later, also where `drift: report` leaves alone what
    others stopped.
    """
    cause = "this host is drained"
    ups = tuple(each for each in seen.containers if each.up)
    if ups and want.goal is Goal.RUNNING:
        memory = memory.model_copy(update={"goal": None})
    note = None
    if want.goal is Goal.RUNNING and memory.goal is None:
        note = f"{cause}: it is started again when zedops is"
    steps = tuple(StopContainer(each.id, want.definition.stop, cause) for each in ups)
    return Plan(steps, note=note), memory
