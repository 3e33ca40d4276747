"""Desired servers, observed hosts, and plans as text, for tests of the agent's rules."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.pure.fleets import NOW, later, server_id
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Definition, Drift
from zedops_agent.memory import Memory
from zedops_agent.observed import Candidate, Container, DataVolume, Observed, Phase, Presence
from zedops_agent.plan import make_plan
from zedops_agent.remember import reached
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
    EndAstray,
    GiveUp,
    HoldWrites,
    Join,
    MakeData,
    Plan,
    Pull,
    ReleaseWrites,
    Remove,
    RemoveData,
    Rename,
    Restart,
    Start,
    Step,
    StopContainer,
    SweepWorlds,
    Unpause,
    Update,
    WorldStep,
)

#: Fields of `wanted` that go into the definition.
_OF_DEFINITIONS = ("networks", "restart", "rebuild", "adopt", "ports", "env", "moved_from")
HASH, OTHER = "1:new", "1:old"
THERE = DataVolume("world", Presence.PRESENT, Presence.PRESENT)
EMPTY = DataVolume("world", Presence.PRESENT, Presence.ABSENT)
NOTHING = DataVolume("world", Presence.ABSENT, Presence.ABSENT)
FOREIGN = DataVolume("world", Presence.FOREIGN, Presence.PRESENT)
UNREADABLE = DataVolume(
    "world", Presence.UNKNOWN, Presence.UNKNOWN, trouble="cannot look at /d: Stale file handle"
)


def wanted(goal: Goal = Goal.RUNNING, **facts: Any) -> DesiredServer:
    """Make what a host gets for `rosewood`; definition fields go into the definition."""
    fields = {key: facts.pop(key) for key in _OF_DEFINITIONS if key in facts}
    definition = Definition(image="img", volumes={"world": "/data"}, **fields)  # type: ignore[dict-item]
    known = DesiredServer(
        id=server_id(1), name="rosewood", goal=goal, definition=definition, hash=HASH, commit="c1",
        created=False, data_expected=False, drift=Drift.HEAL,
    )  # fmt: skip
    return known.model_copy(update=facts)


def container(phase: Phase = Phase.RUNNING, **facts: Any) -> Container:
    """Make the container that matches `wanted`, started a minute ago."""
    known = Container(
        id="new", name="f-rosewood", phase=phase, definition=HASH, rebuild="", image="sha256:1",
        started_at=later(-60),
    )  # fmt: skip
    return replace(known, **facts)


def old(phase: Phase = Phase.RUNNING, **facts: Any) -> Container:
    """Make a container of an earlier definition."""
    return container(phase, id="old", definition=OTHER, **facts)


def settled(want: DesiredServer | None = None, **facts: Any) -> Memory:
    """Remember that a server was where its definition wants it."""
    memory = reached(Memory(data_seen=("world",)), want or wanted())
    return memory.model_copy(update=facts)


def see(
    *containers: Container, world: DataVolume = THERE, candidate: Candidate | None = None
) -> Observed:
    """Observe containers and the world, and with it the directory that it is in."""
    gone = world.marker is Presence.ABSENT and world.content is Presence.ABSENT
    home = Presence.ABSENT if gone else Presence.PRESENT
    return Observed(containers, (world,), home, candidate)


def plan_for(
    want: DesiredServer, seen: Observed, memory: Memory | None = None, now: datetime = NOW
) -> Plan:
    """Plan for a server of the fleet `f`."""
    return make_plan("f", want, seen, memory if memory is not None else settled(), now)


def planned(
    want: DesiredServer, seen: Observed, memory: Memory | None = None, at_s: float = 0
) -> str:
    """Plan, and write it down."""
    return text(plan_for(want, seen, memory, later(at_s)))


def text(plan: Plan) -> str:
    """Write a plan: a line a step with its cause, then what is lost, the note, and when again."""
    lines = [f"{_step(each)} ({each.cause})" for each in plan.steps]
    if plan.lost:
        lines.append(f"lost: {plan.lost}")
    if plan.refused:
        lines.append(f"refused: {plan.refused}")
    if plan.note:
        lines.append(f"note: {plan.note}")
    if plan.again_at:
        lines.append(f"again in {(plan.again_at - NOW).total_seconds():.0f} s")
    return "\n".join(lines) or "nothing"


_VERBS = {
    Adopt: "adopt", Start: "start", StopContainer: "stop", Restart: "restart",
    EndAstray: "end the unknown process of", Unpause: "unpause", Remove: "remove",
    GiveUp: "give up on",
}


def _step(step: Step) -> str:
    match step:
        case (Adopt() | Start() | StopContainer() | Restart() | EndAstray() | Unpause() | Remove()
              | GiveUp()):
            return f"{_VERBS[type(step)]} {step.container}"
        case Pull():
            kept = f", or keep {step.ran}" if step.ran else ""
            return f"pull {step.image}{' newest' if step.newest else ''}{kept}"
        case MakeData():
            return "make data"
        case CheckPorts():
            return "check ports" + (", stopped ones too" if step.stopped_too else "")
        case Create():
            return f"create {step.name}"
        case Update():
            return f"update {step.container} to {step.ceilings}"
        case Join():
            return f"join {step.container} to {step.network}"
        case Rename():
            return f"rename {step.container} to {step.name}"
        case RemoveData():
            return "remove data"
        case _:
            return _world_step(step)


def _world_step(step: WorldStep) -> str:
    match step:
        case HoldWrites() | ReleaseWrites():
            what = "hold" if isinstance(step, HoldWrites) else "release"
            return f"{what} writes of {step.container}"
        case SweepWorlds():
            return f"sweep {', '.join(step.names)}"
        case _:
            words = re.findall(r"[A-Z][a-z]+", type(step).__name__)
            return " ".join(words).lower()
