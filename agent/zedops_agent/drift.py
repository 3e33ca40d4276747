"""Plans for a server with the right container: keeps it right, and ends the former one. Pure.

zedops undoes people's changes by hand; under `drift: report` it only reports them. The former
container goes only after this one has proven itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from zedops.protocol.remarks import LEFT_SO, NOT_AGAIN
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.change import asks_restart
from zedops.spec.model import Drift
from zedops_agent.container_spec import RESTARTED_BY_AGENT, ceilings, own_networks, restart_policy
from zedops_agent.crashes import STABLE_S
from zedops_agent.memory import PROVEN_S, Memory, began, process
from zedops_agent.observed import (
    LIFTED,
    Ceilings,
    Container,
    DataVolume,
    Observed,
    Phase,
    Presence,
)
from zedops_agent.readiness import deadlines, is_starting, replaces
from zedops_agent.steps import (
    Join,
    MakeData,
    Plan,
    Remove,
    Rename,
    Restart,
    Start,
    Step,
    StopContainer,
    Unpause,
    Update,
)

#: The agent watches a started server this long, this often, for its first data.
FIRST_DATA_S = 60.0
FIRST_DATA_LOOK_S = 2.0


def keep(
    name: str,
    want: DesiredServer,
    seen: Observed,
    current: Container,
    previous: Container | None,
    memory: Memory,
    now: datetime,
) -> Plan:
    """Plan for a server with the right container: make it match its definition."""
    if current.phase in (Phase.REMOVING, Phase.DEAD):
        return Plan(again_at=now + timedelta(seconds=1))
    steps: list[Step] = []
    if previous is not None and previous.up:
        steps.append(StopContainer(previous.id, want.definition.stop, "superseded"))
    notes: list[str] = []
    if current.name != name and not current.adopted:
        if previous is not None and previous.name == name:  # a push reverted the change at once
            steps.append(Rename(previous.id, f"{name}-superseded", "superseded"))
        steps.append(Rename(current.id, name, "renamed"))
        if memory.name == want.name and not current.name.startswith(f"{name}-"):
            notes.append("recovered: it was renamed outside zedops and has its name again")
    handed_over = left_to_agent(want, seen, current)
    steps += handed_over
    wanted = ceilings(want.definition, _restarts(want, seen))
    limits = _limits(want, wanted, current) if not handed_over else ([], None)
    for healed, said in (limits, _networks(want, seen, current, memory)):
        steps += healed
        notes += [said] if said else []
    if any(_holds_unmarked(each) for each in seen.volumes):
        steps.append(MakeData("it holds its first data"))
    if want.goal is Goal.STOPPED:
        if current.up:
            steps.append(StopContainer(current.id, want.definition.stop, "desired: stopped"))
    else:
        more, said = _run(want, seen, current, memory)
        steps += more
        notes += [said] if said else []
        if seen.forbidden is not None and current.up:
            notes = [f"{NOT_AGAIN}{seen.forbidden}"]
    if previous is not None:
        is_idle = want.goal is Goal.STOPPED and previous.id != memory.proven
        if is_idle or replaces(want.definition.ready, current, previous, memory, now):
            steps.append(Remove(previous.id, "superseded"))
    again_at = _next_look(want, seen, current, previous, memory, now) if current.running else None
    return Plan(tuple(steps), again_at, "; ".join(notes) or None)


def _holds_unmarked(volume: DataVolume) -> bool:
    """Say whether a volume holds data, and has no marker inside yet."""
    waits = volume.marker is Presence.ABSENT and volume.by_use and not volume.unmarkable
    return volume.content is Presence.PRESENT and (volume.beside or waits)


def _next_look(
    want: DesiredServer, seen: Observed, current: Container, previous: Container | None,
    memory: Memory, now: datetime,
) -> datetime | None:
    """Look again for the first data of a running container, and when it has proven itself.

    A server that crashed needs another look when it is stable.
    """
    started_at = began(memory, current.started_at, now) if current.started_at else now
    times, ready = list[datetime](), want.definition.ready
    if seen.data_exists is False and seen.volumes:
        soon = started_at + timedelta(seconds=FIRST_DATA_S)
        times += [now + timedelta(seconds=FIRST_DATA_LOOK_S)] if now < soon else []
    if previous is not None or memory.failure is not None or memory.tries > 0:
        proofs = (PROVEN_S, STABLE_S) if memory.tries else (PROVEN_S,)
        ends = [started_at + timedelta(seconds=each) for each in proofs]
        ends += deadlines(ready, memory, current, now)
        times += [each for each in ends if each > now]
    elif is_starting(ready, memory, current):
        times += [each for each in deadlines(ready, memory, current, now) if each > now]
    return min(times, default=None)


def _limits(
    want: DesiredServer, wanted: Ceilings, current: Container
) -> tuple[list[Step], str | None]:
    """Undo changes of `docker update`."""
    if not _is_changed(wanted, current):
        return [], None
    if want.drift is Drift.REPORT:
        return [], f"its limits were changed outside zedops; {LEFT_SO}"
    if wanted.memory_bytes == 0 and current.ceilings and current.ceilings.memory_bytes:
        wanted = replace(wanted, memory_bytes=LIFTED)
    if current.adopted:
        cause = "an adopted container gets its definition's limits"
        return [Update(current.id, wanted, cause)], None
    if _is_handed_back(wanted, current):
        return [Update(current.id, wanted, "the Engine may start it by itself again")], None
    update = Update(current.id, wanted, "its limits were changed outside zedops")
    return [update], "recovered: its limits were changed outside zedops and are set back"


def _is_handed_back(wanted: Ceilings, current: Container) -> bool:
    """Say whether only the restart policy changes: the Engine, not the agent, starts it again."""
    shown = current.ceilings
    if shown is None or shown.restart_policy != RESTARTED_BY_AGENT:
        return False
    restarted = replace(shown, restart_policy=wanted.restart_policy)
    return not _is_changed(wanted, replace(current, ceilings=restarted))


def _networks(
    want: DesiredServer, seen: Observed, current: Container, memory: Memory
) -> tuple[list[Step], str | None]:
    """Connect it to its networks again: a person disconnected it, or made a network again."""
    inside = dict(current.networks)
    out, lost = [], []
    for name in own_networks(want.definition):
        known, now = inside.get(name), seen.networks.get(name)
        if known is None and name in seen.networks:
            if now is None or now not in inside.values():  # a definition may name one by its id
                out.append(name)
        elif known and now is not None and now != known:
            lost.append(name)
    steps: list[Step] = [Join(current.id, each, "the network was made again") for each in lost]
    if not out or seen.forbidden is not None or current.adopted or current.phase is Phase.CREATED:
        return steps, None
    said = f"it was taken out of the network {', '.join(out)} outside zedops"
    if want.drift is Drift.REPORT and memory.goal is want.goal:
        return steps, f"{said}; {LEFT_SO}"
    steps += [Join(current.id, each, "taken out of it outside zedops") for each in out]
    return steps, f"recovered: {said} and is in it again"


def _restarts(want: DesiredServer, seen: Observed) -> str:
    forbidden = seen.forbidden is not None
    return restart_policy(want.definition, seen.volumes, forbidden=forbidden)


def left_to_agent(want: DesiredServer, seen: Observed, current: Container | None) -> list[Step]:
    """Let only the agent start a container: the Engine would start it over a bare mount point."""
    shown = current.ceilings if current is not None else None
    if current is None or shown is None or shown.restart_policy == RESTARTED_BY_AGENT:
        return []
    if _restarts(want, seen) != RESTARTED_BY_AGENT:
        return []
    why = "its disk may be away" if seen.forbidden is None else "its host does not allow it"
    cause = f"the Engine must not start it by itself: {why}"
    return [Update(current.id, replace(shown, restart_policy=RESTARTED_BY_AGENT), cause)]


def _is_changed(wanted: Ceilings, current: Container) -> bool:
    """Say whether `docker update` changed limits against the definition.

    The Engine can raise a number of CPUs, but not remove it. So without CPUs in the definition, any
    number is right. An adopted container keeps its own limits.
    """
    shown = current.ceilings
    if shown is None:
        return False
    return (
        wanted.memory_bytes not in (shown.memory_bytes, 0 if current.adopted else None)
        or wanted.nano_cpus not in (0, shown.nano_cpus)
        or (wanted.pids, wanted.restart_policy) != (shown.pids, shown.restart_policy)
    )


def _run(
    want: DesiredServer, seen: Observed, current: Container, memory: Memory
) -> tuple[list[Step], str | None]:
    """Plan the steps that make the right container run."""
    token = want.definition.restart
    asked = asks_restart(want.definition, memory.restart)
    if token is not None and asked and current.phase is not Phase.CREATED:
        return [Restart(current.id, want.definition.stop, token, "restart was asked for")], None
    if current.phase is Phase.RUNNING and memory.hidden == process(current):
        cause = "it writes to a directory that is no longer the one of its volume"
        stop = StopContainer(current.id, want.definition.stop, cause)
        # what keeps it from starting again must keep it from being stopped, too
        return [MakeData(cause), stop, Start(current.id, cause)], None
    if current.phase is Phase.RESTARTING or current.phase is Phase.RUNNING:
        return [], None
    left_alone = want.drift is Drift.REPORT and memory.goal is want.goal
    if current.phase is Phase.PAUSED:
        if left_alone:
            return [], f"paused outside zedops; {LEFT_SO}"
        note = "recovered: it was paused outside zedops and goes on"
        return [Unpause(current.id, "paused outside zedops")], note
    # only the agent starts such a server again, also after a crash or a reboot
    by_agent = _restarts(want, seen) == RESTARTED_BY_AGENT
    by_agent = by_agent or (memory.failure is not None and memory.failure.crashed)
    if current.phase is Phase.EXITED and left_alone and not by_agent:
        return [], f"stopped outside zedops; {LEFT_SO}"
    reached = memory.goal is want.goal and current.phase is Phase.EXITED
    drained = memory.goal is None and memory.applied == want.hash
    is_back = drained and current.phase is Phase.EXITED
    told = "started again after a drain" if is_back else None
    cause = "stopped outside zedops" if reached else "desired: running"
    unmade = any(each.marker is Presence.ABSENT for each in seen.volumes)
    return [*([MakeData(cause)] if unmade else []), Start(current.id, cause)], told
