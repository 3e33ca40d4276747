"""Decides the steps of backups and restores. Pure. `due` says when one has to begin.

A backup or restore that has begun goes on before all else, so no container comes back in its
midst. One that has not begun waits until the server's own plan is empty. A restore changes nothing
but by the swap of a verified world, and a failed backup never keeps a server down.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.backup import Quiesce
from zedops_agent.backup.due import (
    Due,
    before_harm,
    due,
    due_at,
    failed_first,
    is_fresh,
    restores,
    restores_no_more,
    settings,
    wait_s,
    wish,
)
from zedops_agent.backup.record import Begun, Reason, Record, Restoring
from zedops_agent.crashes import died
from zedops_agent.memory import PROVEN_S, Memory, matches, process, ran_s
from zedops_agent.observed import Container, Observed, Phase, Presence
from zedops_agent.plan_ending import end_astray
from zedops_agent.readiness import deadlines, overdue
from zedops_agent.steps import (
    BackUp,
    Create,
    EndBackup,
    EndRestore,
    FetchWorld,
    HoldWrites,
    MakeData,
    OpenBackup,
    Plan,
    PutBack,
    ReleaseWrites,
    Start,
    Step,
    StopContainer,
    SwapWorld,
    SweepWorlds,
)

#: The time between looks while another server has the turn.
TURN_LOOK_S = 60.0


def with_world_work(
    plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, record: Record,
    now: datetime, *, has_turn: bool,
) -> Plan:
    """Put backups and restores into a server's plan."""
    if seen.root_gone is not None:
        return plan
    if (record.begun or record.restoring) and (lost := end_astray(seen)):
        return Plan(lost)  # else it writes while the world is copied, or replaced
    if record.restoring is not None and want.goal is not Goal.PURGED:
        return _restoring(plan, record.restoring, want, seen, memory, now)
    if record.begun is not None:
        return _backing_up(plan, record.begun, want, seen, memory, now)
    if (harm := before_harm(plan, want, seen, record)) is not None:
        return _held(harm, seen, record, now, has_turn=has_turn)
    token = restores(want, record)
    if token is not None and plan.lost is not None and not is_fresh(token, record, now):
        token = None
    is_first = _is_new(want, seen, memory)
    if is_first and (refused := failed_first(want, record)) is not None:
        return Plan(refused=refused)
    if want.goal.ends or (plan.steps and not (is_first and token is not None)):
        return plan
    wanted = due(want, seen, record, now) if plan.lost is None else None
    if (token is not None or wanted is not None) and not has_turn:
        again_at = _soonest(plan.again_at, now + timedelta(seconds=TURN_LOOK_S))
        # no steps: a new server must not start before it has its world
        return replace(plan, steps=(), again_at=again_at, pending=True)
    was_up = any(each.up for each in seen.containers)
    if token is not None:
        cause = f"a restore was asked for: {token}"
        return _fetching(FetchWorld(token, was_up, cause), is_new=is_first)
    if wanted is not None and plan.refused is None:
        cause = "a backup was asked for" if wanted.reason is Reason.ASKED else "its backup is due"
        opened = OpenBackup(wanted.token, wanted.reason, was_up, cause)
        return replace(plan, steps=(opened,))
    over = tuple(each.name for each in record.asides if each.until <= now)
    if over:
        return replace(plan, steps=(SweepWorlds(over, "the retention of a former world is over"),))
    times = [due_at(want, record), *(each.until for each in record.asides)]
    # what is late waits for a change, and a change marks the server for a look
    ahead = [each for each in times if each is not None and each > now]
    return replace(plan, again_at=_soonest(plan.again_at, *ahead))


def _held(
    harm: Due, seen: Observed, record: Record, now: datetime, *, has_turn: bool
) -> Plan:
    """Hold an update or a purge back until its snapshot is made."""
    trouble = record.trouble
    if trouble is not None and trouble.token == harm.token:
        retry_at = trouble.at + timedelta(seconds=wait_s(trouble.attempts))
        if now < retry_at:
            what = "removed" if harm.reason is Reason.PURGE else "updated"
            fact = f"not {what}: the snapshot before that failed: {trouble.text}"
            remedy = "remedy that, or remove the schedule from `backup:` to go on without one"
            return Plan(again_at=retry_at, refused=f"{fact}; {remedy}")
    if not has_turn:
        return Plan(again_at=now + timedelta(seconds=TURN_LOOK_S), pending=True)
    was_up = any(each.up for each in seen.containers)
    cause = "before the data is removed" if harm.reason is Reason.PURGE else "before an update"
    return Plan((OpenBackup(harm.token, harm.reason, was_up, cause),), backs_up=True)


def _soonest(*times: datetime | None) -> datetime | None:
    return min((each for each in times if each is not None), default=None)


def _current(want: DesiredServer, seen: Observed) -> Container | None:
    mine = [each for each in seen.containers if matches(each, want)]
    return max(mine, key=lambda each: each.up, default=None)


# --- a backup that has begun


def _backing_up(
    plan: Plan, begun: Begun, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
) -> Plan:
    quiesce = settings(want).quiesce
    world = want.definition.world
    withdrawn = begun.reason is Reason.ASKED and (world is None or world.backup != begun.token)
    is_seen = all(each.marker is Presence.PRESENT for each in seen.volumes)
    goes_on = not withdrawn and begun.wish == wish(want) and plan.lost is None and is_seen
    if not begun.over and goes_on and plan.refused is None:
        return _copying(begun, quiesce, want, seen)
    return _ending(plan, begun, quiesce, want, seen, memory, now)


def _copying(begun: Begun, quiesce: Quiesce, want: DesiredServer, seen: Observed) -> Plan:
    cause = "a backup begins"
    steps: list[Step] = []
    ups = [each for each in seen.containers if each.up]
    match quiesce.how:
        case "stop":
            steps += [StopContainer(each.id, want.definition.stop, cause) for each in ups]
        case "commands":
            running = [each for each in ups if each.phase is Phase.RUNNING]
            steps += [HoldWrites(each.id, quiesce.before, cause) for each in running]
        case _:
            pass
    return Plan((*steps, BackUp(f"a backup: {begun.reason}")), backs_up=True)


def _ending(
    plan: Plan, begun: Begun, quiesce: Quiesce, want: DesiredServer, seen: Observed,
    memory: Memory, now: datetime,
) -> Plan:
    """Let the server go on as before the backup, in every case."""
    steps: list[Step] = []
    cause = "its backup is over"
    plan = Plan(lost=plan.lost, refused=plan.refused, backs_up=True)
    held = seen.container(begun.held)
    if held is not None and held.phase is Phase.RUNNING and quiesce.after:
        steps.append(ReleaseWrites(held.id, quiesce.after, cause))
    # before an update, the container that was up is not yet the one of the definition
    current = seen.container(begun.container) or _current(want, seen)
    is_down = current is not None and not any(each.up for each in seen.containers)
    starts = begun.was_up and want.goal is Goal.RUNNING and is_down and quiesce.how == "stop"
    if starts and current is not None and plan.lost is None and plan.refused is None:
        failure = memory.failure
        if failure is not None and failure.retry_at is not None and now < failure.retry_at:
            return replace(plan, steps=tuple(steps), again_at=failure.retry_at)
        if failure is None or failure.retry_at is not None:
            steps.append(Start(current.id, cause))
    return replace(plan, steps=(*steps, EndBackup(cause)))


# --- a restore that has begun


def _is_new(want: DesiredServer, seen: Observed, memory: Memory) -> bool:
    return not memory.created and not seen.containers and not want.goal.ends


def _fetching(step: FetchWorld, *, is_new: bool) -> Plan:
    made = (MakeData(step.cause),) if is_new else ()
    return Plan((*made, step), backs_up=True)


def _restoring(
    plan: Plan, begun: Restoring, want: DesiredServer, seen: Observed, memory: Memory,
    now: datetime,
) -> Plan:
    if want.goal.ends and seen.containers:
        return plan  # the container goes first
    match begun.stage:
        case "fetch":
            if restores_no_more(want, begun):
                return replace(plan, steps=(EndRestore("the restore is not asked for any more"),))
            is_new = _is_new(want, seen, memory)  # it must not start before it has its world
            if plan.steps and not is_new and not want.goal.ends and plan.lost is None:
                return replace(plan, pending=True)
            step = FetchWorld(begun.token, begun.was_up, f"a restore was asked for: {begun.token}")
            return _fetching(step, is_new=True) if is_new else replace(plan, steps=(step,))
        case "swap":
            return _with_all_down(want, seen, SwapWorld("the restored world is verified"))
        case "back":
            return _with_all_down(want, seen, PutBack(begun.failure or "the restore failed"))
        case "watch":
            return _watching(plan, begun, want, seen, memory, now)
        case _:
            return _restarted(begun, want, seen, memory, now)


def _with_all_down(want: DesiredServer, seen: Observed, step: Step) -> Plan:
    stop, cause = want.definition.stop, "its world is about to be replaced"
    downs = [StopContainer(each.id, stop, cause) for each in seen.containers if each.up]
    return Plan((*downs, step), backs_up=True)


def _watching(
    plan: Plan, begun: Restoring, want: DesiredServer, seen: Observed, memory: Memory,
    now: datetime,
) -> Plan:
    """Start the server with the restored world, and see whether it stays up."""
    done = EndRestore("the restored world is in place")
    current = _current(want, seen)
    kinds = {type(each) for each in plan.steps}
    if want.goal is not Goal.RUNNING or not begun.was_up or current is None or Create in kinds:
        return Plan((done,), backs_up=True)
    if process(current) == begun.container and not current.up:
        if memory.failure is not None and memory.failure.at and memory.failure.at >= begun.at:
            return Plan((PutBack("the server does not start with the restored world"),))
        return Plan((Start(current.id, "its world is restored"),), backs_up=True)
    crashed = current.phase is Phase.RESTARTING or current.restart_count > 0 or died(current)
    if crashed or not current.up:
        stop = StopContainer(current.id, want.definition.stop, "it crashes with the restored world")
        return Plan((*([stop] if current.up else []), PutBack(stop.cause)), backs_up=True)
    ready = want.definition.ready
    # without `ready:`, a health check counts only if this container has passed it before
    counts = ready is not None or current.id == memory.proven
    if counts and (late := overdue(ready, current, memory, now)):
        stop = StopContainer(current.id, want.definition.stop, f"with the restored world, {late}")
        return Plan((stop, PutBack(stop.cause)), backs_up=True)
    ends = [now + timedelta(seconds=PROVEN_S - ran_s(memory, current, now))]
    ends += deadlines(ready, memory, current, now) if counts else []
    if left := [each for each in ends if each > now]:
        return Plan(again_at=min(left), pending=True, backs_up=True)
    return Plan((done,), backs_up=True)


def _restarted(
    begun: Restoring, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
) -> Plan:
    """Start the server with its former world, after a restore that failed."""
    current = _current(want, seen)
    end = EndRestore(begun.failure or "the restore failed")
    is_down = current is not None and not any(each.up for each in seen.containers)
    if current is None or not is_down or not begun.was_up or want.goal is not Goal.RUNNING:
        return Plan((end,), backs_up=True)
    failure = memory.failure
    if failure is not None and failure.retry_at is not None and now < failure.retry_at:
        return Plan(again_at=failure.retry_at, pending=True, backs_up=True)
    return Plan((Start(current.id, "its former world is back"), end), backs_up=True)
