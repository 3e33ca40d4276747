"""When a world is backed up or restored, and in which steps; what stays of old snapshots."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.pure.fleets import NOW, later
from tests.pure.plans import EMPTY, HASH, container, old, plan_for, see, settled, text, wanted
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.backup import Backup, Keep, LastBackup, World
from zedops_agent.backup import due, keep, rules
from zedops_agent.backup.record import Aside, Begun, Reason, Record, Restoring, Trouble
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.memory import Failure, Memory, process
from zedops_agent.observed import Observed, Phase

TOKEN = "one"
LIVE = {"quiesce": "none"}
HELD = {"quiesce": {"before": ["save"], "after": ["go on"]}}
RUNS, DOWN = container(), container(Phase.EXITED)


def asks(
    world: dict[str, str] | None = None, backup: dict[str, Any] | None = None,
    goal: Goal = Goal.RUNNING, **facts: Any
) -> DesiredServer:
    """Make a server that asks for something with its world."""
    want = wanted(goal, created=True, data_expected=True, **facts)
    definition = want.definition.model_copy(update={
        "world": World.model_validate(world) if world else None,
        "backup": Backup.model_validate(backup) if backup else None,
    })
    return want.model_copy(update={"definition": definition})


ASKED = asks({"backup": TOKEN})


def begun(want: DesiredServer = ASKED, **facts: Any) -> Record:
    """Make the record of a backup that has begun."""
    known = Begun(token=TOKEN, reason=Reason.ASKED, at=NOW, wish=due.wish(want), was_up=True)
    return Record(begun=known.model_copy(update=facts))


def planned(
    want: DesiredServer, seen: Observed, record: Record, at_s: float = 0,
    memory: Memory | None = None, *, has_turn: bool = True,
) -> str:
    """Plan with backups, and write it down."""
    now, memory = later(at_s), memory or settled(want, created=True)
    plan = plan_for(want, seen, memory, now)
    made = rules.with_world_work(plan, want, seen, memory, record, now, has_turn=has_turn)
    return text(made) + (" …" if made.pending else "")


# --- backups


def test_a_backup_that_was_asked_for_begins_before_anything_stops() -> None:
    assert planned(ASKED, see(RUNS), Record()) == "open backup (a backup was asked for)"
    assert planned(ASKED, see(RUNS), Record(answered=TOKEN)) == "nothing"


def test_a_server_waits_for_its_turn_and_counts_as_unfinished_meanwhile() -> None:
    assert planned(ASKED, see(RUNS), Record(), has_turn=False) == "again in 60 s …"


def test_the_server_stops_for_the_snapshot_and_starts_after_it() -> None:
    assert planned(ASKED, see(RUNS), begun()) == (
        "stop new (a backup begins)\nback up (a backup: asked)"
    )
    assert planned(ASKED, see(DOWN), begun()) == "back up (a backup: asked)"
    assert planned(ASKED, see(DOWN), begun(over=True)) == (
        "start new (its backup is over)\nend backup (its backup is over)"
    )
    assert planned(ASKED, see(RUNS), begun(over=True)) == "end backup (its backup is over)"


def test_a_server_that_was_down_before_a_backup_is_not_started_by_it() -> None:
    stopped = asks({"backup": TOKEN}, goal=Goal.STOPPED)
    record = begun(stopped, over=True, was_up=False)
    assert planned(stopped, see(DOWN), record) == "end backup (its backup is over)"


def test_commands_let_the_server_write_again_whatever_happens() -> None:
    want = asks({"backup": TOKEN}, HELD)
    assert planned(want, see(RUNS), begun(want)) == (
        "hold writes of new (a backup begins)\nback up (a backup: asked)"
    )
    going = asks({"backup": TOKEN}, HELD, Goal.STOPPED)
    for now, over in ((want, True), (asks(None, HELD), False), (going, False)):
        record = begun(want, over=over, held="new")
        assert planned(now, see(RUNS), record) == (
            "release writes of new (its backup is over)\nend backup (its backup is over)"
        )


def test_a_failed_start_after_a_backup_is_tried_again_with_its_waits() -> None:
    failure = Failure(text="x", commit="c1", hash=HASH, retry_at=later(8), at=NOW)
    memory = settled(ASKED, created=True, failure=failure)
    assert planned(ASKED, see(DOWN), begun(over=True), 1, memory) == "again in 8 s"
    assert planned(ASKED, see(DOWN), begun(over=True), 9, memory).startswith("start new")


def test_a_backup_gives_way_to_a_deletion_and_to_a_lost_world() -> None:
    gone = asks({"backup": TOKEN}, goal=Goal.PURGED)
    assert "back up" not in planned(gone, see(RUNS), begun())
    assert "back up" not in planned(ASKED, see(RUNS, world=EMPTY), begun())


# --- the schedule


def scheduled(record: Record, at_s: float, **made: Any) -> str:
    """Plan for a server with a schedule that runs on."""
    return planned(asks(None, {"every": "1h", **LIVE, **made}), see(RUNS), record, at_s)


LAST = LastBackup(at=NOW, snapshot="4bba301e", size_bytes=9, files=9)


def test_the_schedule_begins_at_once_and_goes_on_from_the_last_backup() -> None:
    assert scheduled(Record(), 0) == "open backup (its backup is due)"
    assert scheduled(Record(last=LAST, tried_at=NOW), 10) == "again in 3600 s"
    assert scheduled(Record(last=LAST, tried_at=NOW), 3600) == "open backup (its backup is due)"


def test_the_schedule_waits_for_the_first_data_and_asks_for_no_look_meanwhile() -> None:
    want = asks(None, {"every": "1h", **LIVE}).model_copy(
        update={"created": False, "data_expected": False})
    young = container(started_at=later(-600))
    assert planned(want, see(young, world=EMPTY), Record(), memory=Memory(created=True)) == (
        "nothing"
    )


def test_a_failed_backup_is_tried_again_after_waits_that_double() -> None:
    waits = []
    for attempts in (1, 2, 3, 20):
        trouble = Trouble(text="x", at=NOW, token="t", attempts=attempts)  # noqa: S106 - names an act
        record = Record(last=LAST, tried_at=NOW, trouble=trouble)
        waits.append(scheduled(record, 1))
    assert waits == [f"again in {each} s" for each in (300, 600, 1200, 21600)]


def test_a_clock_that_is_set_back_does_not_back_up_in_a_loop() -> None:
    ahead = LAST.model_copy(update={"at": later(9 * 3600)})
    assert scheduled(Record(last=ahead, tried_at=NOW), 1) == "again in 36000 s"


# --- before what could hurt


def updating(record: Record, **made: Any) -> str:
    """Plan for a server with a schedule that gets another image."""
    want = asks(None, {"every": "1h", **made})
    memory = settled(want, created=True, ran={"other": "sha256:1"})
    return planned(want, see(old()), record, 10, memory)


def test_an_update_of_the_image_waits_for_a_snapshot_and_the_server_runs_meanwhile() -> None:
    recent = Record(last=LAST, tried_at=NOW)
    assert updating(recent) == "open backup (before an update)"
    token = f"update {HASH} "
    assert updating(recent.model_copy(update={"before": token})).startswith("pull img")
    failed = recent.model_copy(update={"trouble": Trouble(text="disk full", at=NOW, token=token)})
    held, again = updating(failed).splitlines()
    assert held.startswith("refused: not updated: the snapshot before that failed: disk full; ")
    assert again == "again in 300 s"


def test_the_container_that_was_up_before_an_update_starts_again_after_its_snapshot() -> None:
    want = asks(None, {"every": "1h"})
    record = begun(want, over=True, reason=Reason.UPDATE, container="old")
    memory = settled(want, created=True)
    assert planned(want, see(old(Phase.EXITED)), record, 0, memory).startswith("start old")


def test_a_change_of_another_field_needs_no_snapshot() -> None:
    want = asks(None, {"every": "1h"})
    memory = settled(want, created=True, ran={"img": "sha256:1"})
    record = Record(last=LAST, tried_at=NOW)
    assert planned(want, see(old()), record, 10, memory).startswith("pull img, or keep sha256:1")


def test_a_purge_of_the_data_waits_for_a_snapshot_where_there_is_a_schedule() -> None:
    record = Record(last=LAST, tried_at=NOW)
    for backup, said in (({"every": "1h"}, "open backup (before the data is removed)"),
                         (None, "remove data (a purge with its data was asked for)")):
        assert planned(asks(None, backup, Goal.PURGED), see(), record, 10) == said


def test_the_newest_failure_is_told_and_that_of_a_withdrawn_restore_is_not() -> None:
    record = Record(
        trouble=Trouble(text="disk full", at=NOW, token="t"),  # noqa: S106 - names an act
        restore_trouble=Trouble(text="no room", at=later(1), token="latest"),  # noqa: S106
    )
    assert due.failed(RESTORE, record) == "the last restore failed: no room"
    assert due.failed(asks(), record) == "the last backup failed: disk full"
    assert due.failed(asks(), Record()) is None


# --- restores


RESTORE = asks({"restore": "latest"})


def restoring(stage: str, **facts: Any) -> Record:
    """Make the record of a restore at a stage."""
    known = Restoring(token="latest", snapshot="4bba301e", at=NOW, was_up=True, stage=stage)  # noqa: S106 - names an act
    return Record(restoring=known.model_copy(update=facts))


def test_a_restore_fetches_the_world_while_the_server_runs() -> None:
    assert planned(RESTORE, see(RUNS), Record()) == (
        "fetch world (a restore was asked for: latest)"
    )
    assert planned(RESTORE, see(RUNS), Record(restored=("latest",))) == "nothing"
    assert planned(RESTORE, see(RUNS), restoring("swap")) == (
        "stop new (its world is about to be replaced)\nswap world (the restored world is verified)"
    )


def test_a_swap_that_was_cut_off_goes_on_though_the_world_is_not_in_its_place() -> None:
    lost = Memory(created=True, data_seen=("world",))
    gone = see(DOWN, world=EMPTY)
    assert planned(RESTORE, gone, restoring("swap"), memory=lost) == (
        "swap world (the restored world is verified)"
    )


def test_a_restored_world_counts_once_the_server_stays_up() -> None:
    before = restoring("watch", container=process(DOWN))
    assert planned(RESTORE, see(DOWN), before) == "start new (its world is restored)"
    fresh = container(started_at=later(-4))
    assert planned(RESTORE, see(fresh), before) == "again in 6 s …"
    assert planned(RESTORE, see(container(started_at=later(-11))), before).startswith("end restore")


@pytest.mark.parametrize("crashed", [
    container(Phase.EXITED, started_at=later(-2)),
    container(Phase.RESTARTING, started_at=later(-2)),
    container(started_at=later(-2), restart_count=1),
])
def test_a_world_with_which_the_server_crashes_goes_out_again(crashed: Any) -> None:
    said = planned(RESTORE, see(crashed), restoring("watch", container=process(DOWN)))
    assert said.endswith("put back (it crashes with the restored world)")
    assert ("stop new" in said) == crashed.up


def test_after_a_failed_restore_the_server_starts_with_its_former_world() -> None:
    over = restoring("over", failure="it crashes")
    assert planned(RESTORE, see(DOWN), over) == (
        "start new (its former world is back)\nend restore (it crashes)"
    )


def test_an_old_restore_brings_no_world_back_where_the_record_is_lost_with_it() -> None:
    lost = Memory(created=True, data_seen=("world",))
    for at, said in (("2026-11-01T10:00:00Z", "lost: "), ("2026-11-23T09:00:00Z", "fetch world")):
        want = asks({"restore": f"latest ({at})"})
        assert planned(want, see(world=EMPTY), Record(), memory=lost).startswith(said)
    known = Record(restored=("latest",))
    assert planned(RESTORE, see(world=EMPTY), known, memory=lost).startswith("lost: ")
    again = asks({"restore": "4bba301e"})
    assert planned(again, see(world=EMPTY), known, memory=lost).startswith("fetch world")


def test_a_new_server_gets_its_world_before_its_container_and_never_starts_without() -> None:
    new = RESTORE.model_copy(update={"created": False, "data_expected": False})
    said = planned(new, see(world=EMPTY), Record(), memory=Memory())
    assert said.splitlines() == [
        "make data (a restore was asked for: latest)",
        "fetch world (a restore was asked for: latest)",
    ]
    cut_off = planned(new, see(world=EMPTY), restoring("fetch", was_up=False), memory=Memory())
    assert cut_off == said, "it goes on with its world, and starts without it never"
    waits = planned(new, see(world=EMPTY), Record(), memory=Memory(), has_turn=False)
    assert waits == "again in 60 s …", "another server has the turn: it waits, and does not start"
    trouble = Trouble(text="no snapshot", at=NOW, token="latest")  # noqa: S106 - names an act
    failed = Record(restored=("latest",), restore_trouble=trouble)
    assert planned(new, see(world=EMPTY), failed, memory=Memory()) == (
        "refused: its world could not be restored, so it is not started without: no snapshot"
    )


def test_no_world_is_copied_or_replaced_beside_a_process_that_the_engine_lost() -> None:
    lost = see(replace(DOWN, astray=True))
    ended = "end the unknown process of new (the Engine has lost track of it)"
    assert planned(ASKED, lost, begun()) == ended
    assert planned(ASKED, lost, restoring("swap")) == ended


def test_a_former_world_goes_once_its_retention_is_over() -> None:
    record = Record(asides=(Aside(name=".world-before-x", until=later(60)),))
    assert planned(asks(), see(RUNS), record, 59) == "again in 60 s"
    assert planned(asks(), see(RUNS), record, 60).startswith("sweep .world-before-x")


# --- what stays


def made(*days: float) -> list[Snapshot]:
    """Make snapshots, so many days old."""
    return [Snapshot(f"{at:08.2f}".replace(".", ""), _ago(at), (), ()) for at in days]


def _ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_the_last_and_one_of_each_day_week_and_month_stay() -> None:
    every = made(*(each / 4 for each in range(4 * 400)))
    gone = keep.surplus(every, Keep(last=4, daily=7, weekly=4, monthly=6))
    stay = [each for each in every if each not in gone]
    assert 4 + 3 <= len(stay) <= 4 + 7 + 4 + 6
    assert [each in stay for each in every[:4]] == [True] * 4
    assert max((NOW - each.at).days for each in stay) >= 5 * 28
    assert gone == sorted(gone, key=lambda each: each.at)


def test_a_snapshot_that_is_needed_stays_and_so_does_the_last_one() -> None:
    one, two, three = made(0, 1, 2)
    only = Keep(last=1, daily=0, weekly=0, monthly=0)
    assert keep.surplus([three, one, two], only) == [three, two]
    assert keep.surplus([three, one, two], only, {three.id}) == [two]
    assert keep.surplus([], only) == []
