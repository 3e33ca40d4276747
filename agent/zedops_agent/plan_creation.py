"""Plans a new container: the first one, a lost one again, or one that replaces another. Pure.

It never stops the container that runs before the new one is whole.
"""

from __future__ import annotations

from zedops.protocol.remarks import LEFT_SO
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.container_options import PullPolicy
from zedops.spec.model import Drift
from zedops_agent.memory import Memory
from zedops_agent.observed import NEXT, Container
from zedops_agent.ports import bindings
from zedops_agent.steps import (
    CheckPorts,
    Create,
    MakeData,
    Plan,
    Pull,
    Rename,
    Start,
    Step,
    StopContainer,
)


def make_container(
    name: str, want: DesiredServer, previous: Container | None, memory: Memory
) -> Plan:
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
