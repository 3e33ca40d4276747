"""The plan for a host with an Engine or a machine that will shut down: stop all servers. Pure."""

from __future__ import annotations

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed
from zedops_agent.steps import Plan, StopContainer


def drained(want: DesiredServer, seen: Observed, memory: Memory) -> tuple[Plan, Memory]:
    """Stop each container that is up, and do nothing else: the Engine or the machine shuts down.

    A later plan starts these servers again, even under `drift: report`, which leaves servers
    alone that others stopped.
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
