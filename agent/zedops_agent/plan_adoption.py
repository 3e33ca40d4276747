"""Plans the adoption of a container that zedops did not make, if it matches exactly. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from zedops.protocol.sync import DesiredServer
from zedops_agent.memory import Memory
from zedops_agent.observed import Candidate, Observed
from zedops_agent.steps import Adopt, Plan

#: The time between looks at a container that zedops cannot adopt.
STRANGER_LOOK_S = 60.0


def adopt_container(
    want: DesiredServer, seen: Observed, memory: Memory, now: datetime
) -> Plan | None:
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
