"""What the agent does next, as text: every row of the lifecycle's table, every way to drift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pure.fleets import NOW, later
from tests.pure.plans import (
    EMPTY,
    FOREIGN,
    HASH,
    NOTHING,
    OTHER,
    UNREADABLE,
    container,
    old,
    plan_for,
    see,
    settled,
    text,
    wanted,
)
from zedops.model import Drift
from zedops.wire import DesiredServer, Goal
from zedops_agent.memory import Failure, Memory, Restarting, failed
from zedops_agent.observed import DataVolume, Observed, Phase, Presence
from zedops_agent.steps import RemoveData

STOPPED = wanted(Goal.STOPPED)
CREATED = wanted(created=True, data_expected=True)
REPORT = wanted(created=True, data_expected=True, drift=Drift.REPORT)
WAYS = "put it back, or let it go with `zedops purge rosewood --data`"


def planned(
    want: DesiredServer, seen: Observed, memory: Memory | None = None, at_s: float = 0
) -> str:
    """Plan, and write it down."""
    return text(plan_for(want, seen, memory, later(at_s)))


# --- running


def test_a_new_server_is_made_and_started() -> None:
    assert planned(wanted(), see(world=NOTHING), Memory()) == """\
pull img (new server)
make data (new server)
create f-rosewood (new server)
start f-rosewood (new server)"""


def test_a_new_server_that_is_to_be_stopped_is_made_and_not_started() -> None:
    assert planned(STOPPED, see(world=NOTHING), Memory()) == """\
pull img (new server)
make data (new server)
create f-rosewood (new server)"""


def test_a_server_that_runs_is_left_alone() -> None:
    assert planned(wanted(), see(container())) == "nothing"


def test_a_server_between_two_crashes_is_left_to_the_engine() -> None:
    assert planned(wanted(), see(container(Phase.RESTARTING))) == "nothing"


def test_a_container_that_was_made_and_never_started_is_started() -> None:
    seen = see(container(Phase.CREATED, started_at=None), world=EMPTY)
    assert planned(wanted(), seen, Memory()) == "start new (desired: running)"


def test_a_container_that_was_stopped_by_hand_is_started() -> None:
    assert planned(wanted(), see(container(Phase.EXITED))) == "start new (stopped outside zedops)"


def test_a_container_that_was_stopped_by_hand_is_left_so_where_drift_is_only_reported() -> None:
    assert planned(REPORT, see(container(Phase.EXITED)), settled(REPORT)) == (
        "note: stopped outside zedops; left so by `drift: report`"
    )


def test_a_stopped_server_starts_on_request_also_where_drift_is_only_reported() -> None:
    was_stopped = settled(REPORT.model_copy(update={"goal": Goal.STOPPED}))
    assert planned(REPORT, see(container(Phase.EXITED)), was_stopped) == (
        "start new (desired: running)"
    )


def test_a_paused_container_goes_on() -> None:
    assert planned(wanted(), see(container(Phase.PAUSED))) == "unpause new (paused outside zedops)"
    assert planned(REPORT, see(container(Phase.PAUSED)), settled(REPORT)) == (
        "note: paused outside zedops; left so by `drift: report`"
    )


def test_a_container_that_was_removed_is_made_anew_from_the_definition() -> None:
    assert planned(CREATED, see()) == """\
pull img (the container was gone)
make data (the container was gone)
create f-rosewood (the container was gone)
start f-rosewood (the container was gone)
note: recovered: the container was gone and was made anew from the definition"""


def test_a_container_that_was_removed_stays_so_where_drift_is_only_reported() -> None:
    assert planned(REPORT, see(), settled(REPORT)) == (
        "note: removed outside zedops; left so by `drift: report`"
    )


@pytest.mark.parametrize("phase", [Phase.REMOVING, Phase.DEAD])
def test_a_container_that_is_being_removed_is_waited_for(phase: Phase) -> None:
    assert planned(wanted(), see(container(phase))) == "again in 1 s"


def test_a_container_with_another_name_gets_its_own() -> None:
    assert planned(wanted(), see(container(name="f-old"))) == "rename new to f-rosewood (renamed)"


def test_a_young_server_is_watched_for_the_first_data_that_it_writes() -> None:
    young = see(container(started_at=NOW), world=EMPTY)
    assert planned(wanted(), young, Memory(), 5) == "again in 7 s"
    assert planned(wanted(), young, Memory(), 61) == "nothing"


# --- data


@pytest.mark.parametrize("container_there", [True, False])
@pytest.mark.parametrize("drift", list(Drift))
def test_a_lost_world_is_never_started_nor_made_anew(drift: Drift, container_there: bool) -> None:
    want = wanted(created=True, data_expected=True, drift=drift)
    containers = [container(Phase.EXITED)] if container_there else []
    assert planned(want, see(*containers, world=EMPTY)) == (
        f"lost: volume 'world' is empty and held data before; {WAYS}"
    )
    assert planned(want, see(*containers, world=NOTHING)) == (
        f"lost: volume 'world' is gone, or not this server's any more; {WAYS}"
    )


def test_a_lost_world_is_known_as_lost_also_on_a_host_without_a_memory_of_it() -> None:
    assert planned(CREATED, see(world=NOTHING), Memory()) == f"lost: the data is gone; {WAYS}"


def test_the_world_of_another_server_is_never_touched() -> None:
    for memory in (Memory(), settled()):
        assert planned(wanted(), see(world=FOREIGN), memory) == (
            f"lost: volume 'world' holds another server's data; {WAYS}"
        )


def test_a_world_that_cannot_be_looked_at_is_neither_there_nor_gone() -> None:
    for seen in (see(world=UNREADABLE), see(container(Phase.EXITED), world=UNREADABLE)):
        assert planned(CREATED, seen) == "nothing"


def test_a_lost_world_does_not_keep_a_server_from_being_stopped_or_deleted() -> None:
    lost = see(container(), world=NOTHING)
    assert planned(STOPPED, lost).splitlines()[0] == "stop new (desired: stopped)"
    assert planned(wanted(Goal.DELETED), lost).splitlines()[0] == (
        "stop new (the definition was removed)"
    )


def test_a_definition_that_changed_does_not_replace_a_container_whose_world_is_lost() -> None:
    assert planned(CREATED, see(old(), world=EMPTY)).startswith("lost: ")


def test_a_second_volume_that_is_new_does_not_count_as_lost() -> None:
    more = DataVolume("maps", Presence.ABSENT, Presence.ABSENT)
    seen = Observed((old(),), (see().volumes[0], more))
    assert planned(CREATED, seen).splitlines()[0] == "pull img (the definition changed)"


# --- changes


def test_a_changed_definition_is_pulled_first_and_replaces_the_container_after_one_stop() -> None:
    assert planned(wanted(), see(old())) == """\
pull img (the definition changed)
make data (the definition changed)
stop old (the definition changed)
rename old to f-rosewood-previous (the definition changed)
create f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


def test_a_changed_definition_of_a_stopped_server_makes_its_container_and_starts_nothing() -> None:
    memory = settled(STOPPED, applied=OTHER)
    assert planned(STOPPED, see(old(Phase.EXITED)), memory) == """\
pull img (the definition changed)
make data (the definition changed)
rename old to f-rosewood-previous (the definition changed)
create f-rosewood (the definition changed)"""


def test_the_previous_container_stays_until_the_new_one_has_proven_itself() -> None:
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    seen = see(container(started_at=NOW), previous)
    assert planned(wanted(), seen, at_s=3) == "again in 10 s"
    assert planned(wanted(), seen, at_s=10) == "remove old (superseded)"


def test_a_definition_that_fails_gives_way_to_the_previous_container() -> None:
    failed = Failure(text="x", commit="c1", hash=HASH)
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    seen = see(container(Phase.EXITED), previous)
    assert planned(wanted(), seen, settled(failure=failed)) == """\
remove new (the new definition failed; the previous container goes on)
rename old to f-rosewood (the new definition failed; the previous container goes on)
start old (the new definition failed; the previous container goes on)"""


def test_a_previous_container_that_was_stopped_on_purpose_comes_back_stopped() -> None:
    failed = Failure(text="x", commit="c1", hash=HASH)
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    memory = settled(wanted(Goal.STOPPED), failure=failed)
    assert planned(wanted(Goal.STOPPED), see(previous), memory) == (
        "rename old to f-rosewood (the new definition failed; the previous container goes on)"
    )


def test_a_failed_definition_is_not_tried_again_while_the_previous_container_runs() -> None:
    failed = Failure(text="x", commit="c1", hash=HASH)
    assert planned(wanted(), see(old()), settled(failure=failed)) == "nothing"


def test_a_new_definition_is_tried_whatever_failed_before() -> None:
    failed = Failure(text="x", commit="c0", hash="1:broken")
    assert planned(wanted(), see(old()), settled(failure=failed)).startswith("pull img")


def test_a_definition_that_is_taken_back_at_once_finds_its_container_again() -> None:
    was = container(Phase.EXITED, name="f-rosewood-previous")
    memory = settled(applied=OTHER, goal=None)
    assert planned(wanted(), see(old(), was), memory) == """\
stop old (superseded)
rename old to f-rosewood-superseded (superseded)
rename new to f-rosewood (renamed)
start new (desired: running)"""


def test_a_definition_that_changes_twice_at_once_keeps_one_previous_container() -> None:
    older = replace(old(Phase.EXITED), id="older", name="f-rosewood-previous")
    seen = see(old(), older)
    assert planned(wanted(), seen) == """\
pull img (the definition changed)
make data (the definition changed)
remove older (superseded)
stop old (the definition changed)
rename old to f-rosewood-previous (the definition changed)
create f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


def test_a_rebuild_pulls_the_newest_image_and_replaces_the_container() -> None:
    assert planned(wanted(rebuild="now"), see(container())) == """\
pull img newest (rebuild was asked for)
make data (rebuild was asked for)
stop new (rebuild was asked for)
rename new to f-rosewood-previous (rebuild was asked for)
create f-rosewood (rebuild was asked for)
start f-rosewood (rebuild was asked for)"""
    assert planned(wanted(rebuild="now"), see(container(rebuild="now"))) == "nothing"


def test_a_rebuild_token_that_is_taken_away_rebuilds_nothing() -> None:
    assert planned(wanted(), see(container(rebuild="then"))) == "nothing"


def test_a_restart_happens_once_for_each_token() -> None:
    want = wanted(restart="now")
    assert planned(want, see(container())) == "restart new (restart was asked for)"
    assert planned(want, see(container()), settled(restart="now")) == "nothing"
    assert planned(wanted(), see(container()), settled(restart="then")) == "nothing"


def test_a_restart_that_was_cut_off_is_done_again() -> None:
    begun = settled(restarting=Restarting(token="now", started_at=later(-60)))  # noqa: S106
    want = wanted(restart="now")
    cut_off = see(container(Phase.EXITED))
    assert planned(want, cut_off, begun) == "restart new (restart was asked for)"


def test_a_restart_that_is_asked_for_starts_a_server_that_was_stopped_by_hand() -> None:
    want = wanted(restart="now", drift=Drift.REPORT)
    assert planned(want, see(container(Phase.EXITED))) == "restart new (restart was asked for)"


# --- stopped, deleted, restored


def test_a_server_that_is_to_be_stopped_is_stopped() -> None:
    for phase in (Phase.RUNNING, Phase.PAUSED, Phase.RESTARTING):
        assert planned(STOPPED, see(container(phase))) == "stop new (desired: stopped)"
    assert planned(STOPPED, see(container(Phase.EXITED))) == "nothing"


def test_a_stopped_server_that_was_started_by_hand_is_stopped_again() -> None:
    assert planned(STOPPED, see(container()), settled(STOPPED)) == "stop new (desired: stopped)"


def test_a_deleted_server_loses_its_containers_and_no_data() -> None:
    deleted = wanted(Goal.DELETED)
    assert planned(deleted, see(container(), old(Phase.EXITED))) == """\
stop new (the definition was removed)
remove new (the definition was removed)
remove old (the definition was removed)"""
    assert planned(deleted, see()) == "nothing"
    assert planned(deleted, see(container(Phase.REMOVING))) == "nothing"


def test_a_restored_server_is_made_again_with_its_data() -> None:
    memory = settled(wanted(Goal.DELETED))
    assert planned(CREATED, see(), memory) == """\
pull img (restored)
make data (restored)
create f-rosewood (restored)
start f-rosewood (restored)"""


def test_a_restored_server_whose_data_is_gone_is_not_made_again() -> None:
    assert planned(CREATED, see(world=NOTHING), settled(wanted(Goal.DELETED))).startswith("lost: ")


# --- crashes and failures


def test_a_server_that_keeps_crashing_is_given_up_with_its_exit_code() -> None:
    crashed = settled(crashes=(NOW, NOW, NOW))
    seen = see(container(Phase.RESTARTING, exit_code=137, oom_killed=True))
    assert planned(wanted(), seen, crashed) == (
        "give up on new (crashed 3 times within 10 min, last exit code 137, out of memory)"
    )


def test_a_failure_that_hurts_nobody_is_tried_again_when_its_time_has_come() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH, retry_at=later(10)))
    assert planned(CREATED, see(), failed) == "again in 10 s"
    assert planned(CREATED, see(), failed, 10).startswith("pull img")


def test_a_failure_for_good_waits_for_a_new_commit() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH))
    assert planned(CREATED, see(container(Phase.EXITED)), failed) == "nothing"


def test_a_failed_server_can_still_be_stopped_and_deleted() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH))
    assert planned(STOPPED, see(container()), failed) == "stop new (desired: stopped)"
    assert planned(wanted(Goal.DELETED), see(container(Phase.EXITED)), failed) == (
        "remove new (the definition was removed)"
    )


def test_a_failed_definition_with_the_previous_container_running_can_be_stopped() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH))
    assert planned(STOPPED, see(old()), failed) == "stop old (desired: stopped)"


def test_the_previous_container_after_a_failure_is_healed_like_any_other() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH))
    assert planned(wanted(), see(old(Phase.EXITED)), failed) == (
        "start old (the new definition failed; the previous container goes on)"
    )


def test_a_previous_container_that_does_not_start_either_is_tried_again_with_patience() -> None:
    failed = settled(failure=Failure(text="x", commit="c1", hash=HASH, not_before=later(10)))
    assert planned(wanted(), see(old(Phase.EXITED)), failed) == "again in 10 s"
    assert planned(wanted(), see(old(Phase.EXITED)), failed, 10) == (
        "start old (the new definition failed; the previous container goes on)"
    )


@pytest.mark.parametrize("goal", [Goal.RUNNING, Goal.STOPPED])
def test_an_image_that_cannot_be_pulled_for_a_stopped_server_is_tried_again(goal: Goal) -> None:
    failure = Failure(text="x", commit="c1", hash=HASH, retry_at=later(10))
    memory = settled(STOPPED, applied=OTHER, failure=failure)
    assert planned(wanted(goal), see(old(Phase.EXITED)), memory) == "again in 10 s"
    assert planned(wanted(goal), see(old(Phase.EXITED)), memory, 10).startswith("pull img")


def test_only_a_purge_that_asks_for_it_removes_data_and_only_after_the_containers() -> None:
    purge = wanted(Goal.PURGED)
    assert planned(purge, see(container())) == """\
stop new (the definition was removed)
remove new (the definition was removed)"""
    assert planned(purge, see()) == "remove data (a purge with its data was asked for)"
    assert planned(purge, see(world=NOTHING)) == "nothing"


@pytest.mark.parametrize("goal", sorted(set(Goal) - {Goal.PURGED}))
def test_no_other_plan_has_a_step_that_removes_data(goal: Goal) -> None:
    assert OTHER != HASH
    for want in (wanted(goal), wanted(goal, created=True, data_expected=True)):
        for world in (see().volumes[0], EMPTY, FOREIGN, UNREADABLE, NOTHING):
            for containers in ((), (container(),), (old(),), (container(), old(Phase.EXITED))):
                plan = plan_for(want, see(*containers, world=world))
                assert not any(isinstance(step, RemoveData) for step in plan.steps)


def test_a_retry_that_went_through_is_not_taken_back() -> None:
    want = wanted()
    memory = failed(settled(), want, "the registry does not answer", NOW, retry=True)
    aside = old(Phase.EXITED, name="f-rosewood-previous")
    running = container(Phase.RUNNING, started_at=later(30))
    plan = plan_for(want, see(running, aside), memory, later(30))
    assert plan.steps == ()
