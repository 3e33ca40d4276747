"""Says when a backup or restore is due, wanted, withdrawn or failed. Pure.

`rules` decides the steps. What a server asks for is in its definition; what was answered, tried or
failed is in its record. A backup that failed comes again after a wait, which grows each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zedops.protocol.remarks import BACKUP_FAILED, PROOF_FAILED, RESTORE_FAILED
from zedops.protocol.sync import DesiredServer
from zedops.spec.backup import Backup, asked_at, next_at
from zedops_agent.backup.record import Reason, Record, Restoring
from zedops_agent.memory import asked
from zedops_agent.observed import Observed
from zedops_agent.steps import Create, Plan, Pull, RemoveData

#: Waits before the schedule tries a failed backup again: 5 min, doubled each time, up to 6 h.
RETRY_FIRST_S, RETRY_MAX_S = 300.0, 6 * 3600.0
_DEFAULT = Backup()
#: A restore that was asked for within this time is new, even without a record.
_RECENT = timedelta(days=1)
#: A time before every other one.
EVER = datetime(1970, 1, 1, tzinfo=UTC)


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
        return EVER
    known = max(each for each in (last, record.tried_at) if each is not None)
    trouble = record.trouble
    if trouble is not None and record.tried_at is not None:
        return record.tried_at + timedelta(seconds=wait_s(trouble.attempts))
    return next_at(made, known, want.timezone)


def restores(want: DesiredServer, record: Record) -> str | None:
    """Return the restore that a definition asks for and that was not answered yet."""
    world = want.definition.world
    token = world.restore if world else None
    return token if token is not None and token not in record.restored else None


def restores_no_more(want: DesiredServer, begun: Restoring) -> bool:
    """Say whether a restore was withdrawn, or the server is to be removed."""
    world = want.definition.world
    return want.goal.ends or world is None or world.restore != begun.token


def is_fresh(token: str, record: Record, now: datetime) -> bool:
    """Say whether a restore may bring a lost world back: it was surely not answered before.

    With the whole data root, the record of what was answered is lost, too.
    """
    at = asked_at(token)
    is_recent = at is not None and abs(now - at) < _RECENT
    return is_recent or record != Record()


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


def failed(want: DesiredServer, record: Record) -> str | None:
    """Say what failed since the last good backup, restore or proof, the newest of it."""
    found: list[tuple[datetime, str]] = []
    if record.trouble is not None:
        found.append((record.trouble.at, f"{BACKUP_FAILED}{record.trouble.text}"))
    if record.shrunk is not None and record.last is not None:
        found.append((record.last.at, f"{BACKUP_FAILED}{record.shrunk}"))
    if record.proof_trouble is not None:
        found.append((record.proof_trouble.at, f"{PROOF_FAILED}{record.proof_trouble.text}"))
    world, restore = want.definition.world, record.restore_trouble
    if restore is not None and world is not None and world.restore == restore.token:
        found.append((restore.at, f"{RESTORE_FAILED}{restore.text}"))
    return max(found)[1] if found else None


def failed_first(want: DesiredServer, record: Record) -> str | None:
    """Say why a new server must not begin with an empty world: the restore into it failed."""
    world, trouble = want.definition.world, record.restore_trouble
    if world is None or trouble is None or trouble.token != world.restore:
        return None
    return f"its world could not be restored, so it is not started without: {trouble.text}"


def wait_s(attempts: int) -> float:
    """Compute how long a backup that failed waits for its next attempt."""
    return min(RETRY_FIRST_S * 2.0 ** min(attempts - 1, 16), RETRY_MAX_S)
