"""Decides when a world is backed up or restored, and in which steps. Pure.

A backup or restore that has begun goes on before all else, so no container comes back in its
midst. One that has not begun waits until the server's own plan is empty. A restore changes nothing
but by the swap of a verified world, and a failed backup never keeps a server down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from zedops.protocol.remarks import BACKUP_FAILED, RESTORE_FAILED
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.backup import Backup, Quiesce, asked_at, next_at
from zedops_agent.backup.record import Begun, Reason, Record, Restoring
from zedops_agent.crashes import died
from zedops_agent.memory import PROVEN_S, Memory, asked, matches, process, ran_s
from zedops_agent.observed import Container, Observed, Phase, Presence
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
    Pull,
    PutBack,
    ReleaseWrites,
    RemoveData,
    Start,
    Step,
    StopContainer,
    SwapWorld,
    SweepWorlds,
)

#: Waits before the schedule tries a failed backup again: 5 min, doubled each time, up to 6 h.
RETRY_FIRST_S, RETRY_MAX_S = 300.0, 6 * 3600.0
#: The time between looks while another server has the turn.
TURN_LOOK_S = 60.0
_DEFAULT = Backup()
#: A restore that was asked for within this time is new, even without a record.
_RECENT = timedelta(days=1)
#: A time before every other one.
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Due:
    """A backup that has to begin."""

    token: str
    reason: Reason


def settings(want: DesiredServer) -> Backup:
    """Return the settings of a server's backups; every default without any."""
    return want.definition.backup or _DEFAULT


def wish(want: DesiredServer) -> str:
    """Name what is asked of the server, apart from its backups."""
    return f"{want.goal} {want.name} {asked(want)}"


def due(want: DesiredServer, seen: Observed, record: Record, now: datetime) -> Due | None:
    """Say which backup has to begin now, if any. The schedule begins with the first data."""
    world = want.definition.world
    token = world.backup if world else None
    if token is not None and token != record.answered:
        return Due(token, Reason.ASKED)
    at = due_at(want, record)
    if at is not None and now >= at and seen.data_exists:
        return Due(f"schedule {now:%Y-%m-%dT%H:%M:%SZ}", Reason.SCHEDULE)
    return None


def due_at(want: DesiredServer, record: Record) -> datetime | None:
    """Compute when the schedule asks for the next backup; None without a schedule."""
    made = settings(want)
    if not made.scheduled or want.goal.ends:
        return None
    last = record.last.at if record.last else None
    if record.tried_at is None and last is None:
        return _EVER
    known = max(each for each in (last, record.tried_at) if each is not None)
    trouble = record.trouble
    if trouble is not None and record.tried_at is not None:
        return record.tried_at + timedelta(seconds=_wait_s(trouble.attempts))
    return next_at(made, known)


def restores(want: DesiredServer, record: Record) -> str | None:
    """Return the restore that a definition asks for and that was not answered yet."""
    world = want.definition.world
    token = world.restore if world else None
    return token if token is not None and token not in record.restored else None


def before_harm(plan: Plan, want: DesiredServer, seen: Observed, record: Record) -> Due | None:
    """Say which snapshot must come before a plan: of another image, or of a purge of the data.

    Only servers with a schedule have one.
    """
    if not settings(want).scheduled or not seen.data_exists:
        return None
    wanted = None
    if any(isinstance(each, RemoveData) for each in plan.steps):
        wanted = Due(f"purge {want.id}", Reason.PURGE)
    elif seen.containers and any(isinstance(each, Create) for each in plan.steps):
        pulls = [each for each in plan.steps if isinstance(each, Pull)]
        if any(each.newest or each.ran is None for each in pulls):
            wanted = Due(f"update {want.hash} {want.definition.rebuild or ''}", Reason.UPDATE)
    return None if wanted is None or wanted.token == record.before else wanted


def failed(want: DesiredServer, record: Record) -> str | None:
    """Say what failed since the last good backup or restore, the newest of it."""
    found: list[tuple[datetime, str]] = []
    if record.trouble is not None:
        found.append((record.trouble.at, f"{BACKUP_FAILED}{record.trouble.text}"))
    if record.shrunk is not None and record.last is not None:
        found.append((record.last.at, f"{BACKUP_FAILED}{record.shrunk}"))
    world, restore = want.definition.world, record.restore_trouble
    if restore is not None and world is not None and world.restore == restore.token:
        found.append((restore.at, f"{RESTORE_FAILED}{restore.text}"))
    return max(found)[1] if found else None


def is_wanted(
    plan: Plan, want: DesiredServer, seen: Observed, record: Record, now: datetime
) -> bool:
    """Say whether a server has work that needs the host's turn."""
    if record.begun is not None or record.restoring is not None:
        return True
    if before_harm(plan, want, seen, record) is not None:
        return True
    if want.goal.ends or seen.root_gone is not None:
        return False
    return restores(want, record) is not None or due(want, seen, record, now) is not None


def with_world_work(
    plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, record: Record,
    now: datetime, *, has_turn: bool,
) -> Plan:
    """Put backups and restores into a server's plan."""
    if seen.root_gone is not None:
        return plan
    if record.restoring is not None and want.goal is not Goal.PURGED:
        return _restoring(plan, record.restoring, want, seen, memory, now)
    if record.begun is not None:
        return _backing_up(plan, record.begun, want, seen, memory, now)
    if (harm := before_harm(plan, want, seen, record)) is not None:
        return _held(harm, seen, record, now, has_turn=has_turn)
    token = restores(want, record)
    if token is not None and plan.lost is not None and not _is_fresh(token, record, now):
        token = None
    is_first = not memory.created and not seen.containers and not want.goal.ends
    if is_first and (refused := _failed_first(want, record)) is not None:
        return Plan(refused=refused)
    if want.goal.ends or (plan.steps and not (is_first and token is not None)):
        return plan
    wanted = due(want, seen, record, now) if plan.lost is None else None
    if (token is not None or wanted is not None) and not has_turn:
        again_at = _soonest(plan.again_at, now + timedelta(seconds=TURN_LOOK_S))
        return replace(plan, again_at=again_at, pending=True)
    was_up = any(each.up for each in seen.containers)
    if token is not None:
        cause = f"a restore was asked for: {token}"
        made = (MakeData(cause),) if is_first else ()
        return Plan((*made, FetchWorld(token, was_up, cause)), backs_up=True)
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


def _is_fresh(token: str, record: Record, now: datetime) -> bool:
    """Say whether a restore may bring a lost world back: it was surely not answered before.

    With the whole data root, the record of what was answered is lost, too.
    """
    at = asked_at(token)
    is_recent = at is not None and abs(now - at) < _RECENT
    return is_recent or record != Record()


def _held(
    harm: Due, seen: Observed, record: Record, now: datetime, *, has_turn: bool
) -> Plan:
    """Hold an update or a purge back until its snapshot is made."""
    trouble = record.trouble
    if trouble is not None and trouble.token == harm.token:
        retry_at = trouble.at + timedelta(seconds=_wait_s(trouble.attempts))
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


def _wait_s(attempts: int) -> float:
    return min(RETRY_FIRST_S * 2.0 ** min(attempts - 1, 16), RETRY_MAX_S)


def _failed_first(want: DesiredServer, record: Record) -> str | None:
    """Say why a new server must not begin with an empty world: the restore into it failed."""
    world, trouble = want.definition.world, record.restore_trouble
    if world is None or trouble is None or trouble.token != world.restore:
        return None
    return f"its world could not be restored, so it is not started without: {trouble.text}"


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
    held = next((each for each in seen.containers if each.id == begun.held), None)
    if held is not None and held.phase is Phase.RUNNING and quiesce.after:
        steps.append(ReleaseWrites(held.id, quiesce.after, cause))
    # before an update, the container that was up is not yet the one of the definition
    was = [each for each in seen.containers if each.id == begun.container]
    current = was[0] if was else _current(want, seen)
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
            if plan.steps and not want.goal.ends and plan.lost is None:
                return replace(plan, pending=True)
            cause = f"a restore was asked for: {begun.token}"
            return replace(plan, steps=(FetchWorld(begun.token, begun.was_up, cause),))
        case "swap":
            return _with_all_down(want, seen, SwapWorld("the restored world is verified"))
        case "back":
            return _with_all_down(want, seen, PutBack(begun.failure or "the restore failed"))
        case "watch":
            return _watching(plan, begun, want, seen, memory, now)
        case _:
            return _restarted(begun, want, seen, memory, now)


def restores_no_more(want: DesiredServer, begun: Restoring) -> bool:
    """Say whether a restore was withdrawn, or the server is to be removed."""
    world = want.definition.world
    return want.goal.ends or world is None or world.restore != begun.token


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
    left_s = PROVEN_S - ran_s(memory, current, now)
    if left_s > 0:
        return Plan(again_at=now + timedelta(seconds=left_s), pending=True, backs_up=True)
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
