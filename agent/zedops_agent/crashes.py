"""Counts how often a server's process ended by itself. Pure; `plan` draws the conclusions."""

from __future__ import annotations

from datetime import datetime, timedelta

from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.memory import Memory, ran_s
from zedops_agent.observed import Container, Phase

#: This number of crashes within the window ends an update, or begins the waits between starts.
CRASH_BUDGET = 3
CRASH_WINDOW_S = 600.0
#: Crashes before a run of this length say nothing about the next one.
STABLE_S = 300.0


def count_crashes(
    memory: Memory, want: DesiredServer, current: Container, now: datetime
) -> dict[str, object]:
    """Count crashes by the Engine's restart counter, which also counts without an agent.

    A container's first look, and a run that has proven itself, bring no old crashes. For containers
    that the Engine does not start again, this counts the ends of their runs.
    """
    container_id, count = memory.counted
    is_old = current.adopted or current.id == memory.proven
    before = count if container_id == current.id else current.restart_count if is_old else 0
    if current.restart_count < before:  # a start by hand, or by zedops, begins at 0
        before = 0
    was_stopped = memory.failure is not None and memory.failure.crashed and not current.up
    fresh = 0 if was_stopped else current.restart_count - before
    update: dict[str, object] = {}
    if died(current) and memory.ended != current.started_at:
        own = memory.stopping is not None and memory.stopping.is_of(current)
        fresh += want.goal is Goal.RUNNING and not own
        update["ended"] = current.started_at
    if ran_s(memory, current, now) >= STABLE_S and not fresh:
        return {"crashes": (), "tries": 0, "counted": (current.id, current.restart_count)}
    horizon = now - timedelta(seconds=CRASH_WINDOW_S)
    # an end in the future is from before the clock was set back
    recent = tuple(min(at, now) for at in memory.crashes if at > horizon)
    counted = (current.id, current.restart_count)
    if not fresh and recent == memory.crashes and counted == memory.counted:
        return update
    update |= {"crashes": (*recent, *([now] * min(fresh, CRASH_BUDGET))), "counted": counted}
    return update


def died(container: Container) -> bool:
    """Say whether a container ended that the Engine must not start again."""
    policy = container.ceilings.restart_policy if container.ceilings else ""
    return container.phase is Phase.EXITED and policy == "no"
