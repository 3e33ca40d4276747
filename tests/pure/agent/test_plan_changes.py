"""What the agent does about a change, as text, and about one that fails: the way there and back."""

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
    planned,
    see,
    settled,
    wanted,
)
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Drift
from zedops_agent.failures import failed
from zedops_agent.memory import Failure, Memory, Restarting
from zedops_agent.observed import Container, Phase
from zedops_agent.steps import RemoveData

STOPPED = wanted(Goal.STOPPED)
CREATED = wanted(created=True, data_expected=True)
REPORT = wanted(created=True, data_expected=True, drift=Drift.REPORT)


# --- changes


def test_a_changed_definition_is_pulled_first_and_replaces_the_container_after_one_stop() -> None:
    assert planned(wanted(), see(old())) == """\
pull img (the definition changed)
make data (the definition changed)
create f-rosewood.next (the definition changed)
stop old (the definition changed)
rename old to f-rosewood-previous (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


def test_a_changed_definition_of_a_stopped_server_makes_its_container_and_starts_nothing() -> None:
    memory = settled(STOPPED, applied=OTHER)
    assert planned(STOPPED, see(old(Phase.EXITED)), memory) == """\
pull img (the definition changed)
make data (the definition changed)
create f-rosewood.next (the definition changed)
rename old to f-rosewood-previous (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)"""


def test_the_previous_container_stays_until_the_new_one_has_proven_itself() -> None:
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    seen = see(container(started_at=NOW), previous)
    assert planned(wanted(), seen, at_s=3) == "again in 10 s"
    assert planned(wanted(), seen, at_s=10) == "remove old (superseded)"


def test_a_clock_that_is_put_back_keeps_the_previous_container_no_longer() -> None:
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    seen = see(container(started_at=later(18000)), previous)
    memory = settled(ahead=(later(18000), later(-3)))
    assert planned(wanted(), seen, memory) == "again in 7 s"
    assert planned(wanted(), seen, memory, 7) == "remove old (superseded)"


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
create f-rosewood.next (the definition changed)
stop old (the definition changed)
rename old to f-rosewood-previous (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.EXITED])
def test_a_container_that_never_got_its_name_is_made_anew(phase: Phase) -> None:
    half = container(Phase.CREATED, name="f-rosewood.next")
    plan = planned(wanted(), see(old(phase), half), settled(applied=OTHER)).splitlines()
    assert plan[2:4] == [
        "remove new (superseded)", "create f-rosewood.next (the definition changed)"
    ]
    assert plan[-3:] == [
        "rename old to f-rosewood-previous (the definition changed)",
        "rename f-rosewood.next to f-rosewood (the definition changed)",
        "start f-rosewood (the definition changed)",
    ]


def test_a_container_that_is_to_be_in_several_networks_has_its_name_when_it_is() -> None:
    want = wanted(networks=("a", "b"))
    assert planned(want, see(world=NOTHING), Memory()).splitlines()[2:] == [
        "create f-rosewood.next (new server)", "rename f-rosewood.next to f-rosewood (new server)",
        "start f-rosewood (new server)",
    ]


def test_a_container_that_cannot_be_made_leaves_the_one_that_runs_and_is_tried_again() -> None:
    memory = failed(settled(), wanted(), "no room", NOW, retry=True)
    half = container(Phase.CREATED, name="f-rosewood.next")
    assert planned(wanted(), see(old(), half), memory) == (
        "remove new (superseded)\nagain in 1 s"
    )
    assert planned(wanted(), see(old()), memory, 10).startswith("pull img")


def test_a_rebuild_pulls_the_newest_image_and_replaces_the_container() -> None:
    assert planned(wanted(rebuild="now"), see(container())) == """\
pull img newest (rebuild was asked for)
make data (rebuild was asked for)
create f-rosewood.next (rebuild was asked for)
stop new (rebuild was asked for)
rename new to f-rosewood-previous (rebuild was asked for)
rename f-rosewood.next to f-rosewood (rebuild was asked for)
start f-rosewood (rebuild was asked for)"""
    assert planned(wanted(rebuild="now"), see(container(rebuild="now"))) == "nothing"


def test_a_rebuild_token_that_is_taken_away_rebuilds_nothing() -> None:
    assert planned(wanted(), see(container(rebuild="then"))) == "nothing"


@pytest.mark.parametrize("containers", [(), (old(),)])
def test_an_edit_and_a_heal_keep_the_image_that_ran(containers: tuple[Container, ...]) -> None:
    memory = settled(CREATED, ran={"img": "sha256:1"})
    first = planned(CREATED, see(*containers), memory).splitlines()[0]
    assert first.startswith("pull img, or keep sha256:1 (")


def test_another_image_or_a_rebuild_does_not_keep_the_image_that_ran() -> None:
    other = settled(CREATED, ran={"another": "sha256:1"})
    assert planned(CREATED, see(old()), other).startswith("pull img (")
    ran = settled(CREATED, ran={"img": "sha256:1"})
    rebuild = wanted(rebuild="now", created=True, data_expected=True)
    assert planned(rebuild, see(container()), ran).startswith("pull img newest (")
    assert planned(rebuild, see(old()), ran).startswith("pull img newest (")
    assert planned(rebuild, see(), ran.model_copy(update={"rebuilt": "now"})).startswith(
        "pull img, or keep sha256:1 ("
    )


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


# --- crashes and failures


def test_a_server_that_keeps_crashing_is_given_up_with_its_exit_code() -> None:
    crashed = settled(crashes=(NOW, NOW, NOW))
    seen = see(container(Phase.RESTARTING, exit_code=137, oom_killed=True))
    assert planned(wanted(), seen, crashed) == (
        "give up on new (crashed 3 times within 10 min, last exit code 137, out of memory)"
    )


def test_a_server_that_crashed_once_more_after_a_wait_waits_again() -> None:
    memory = failed(settled(tries=3), wanted(), "x", NOW, retry=True, ran_s=0)
    waiting = container(Phase.EXITED)
    assert planned(wanted(), see(waiting), memory) == "again in 8 s"
    assert planned(wanted(), see(waiting), memory, 8) == "start new (stopped outside zedops)"
    runs = see(container(started_at=later(8)))
    assert planned(wanted(), runs, memory, 9) == "again in 18 s"
    crashed = memory.model_copy(update={"crashes": (later(9),)})
    assert planned(wanted(), see(container(Phase.RESTARTING)), crashed, 9) == (
        "give up on new (crashed 3 times within 10 min)"
    )


def test_what_proved_itself_outlives_two_bad_edits_in_a_row() -> None:
    aside = {"name": "f-rosewood-previous", "definition": "1:good"}
    good = container(Phase.EXITED, id="good", **aside)
    bad = old(Phase.RESTARTING, name="f-rosewood")
    memory = settled(proven="good", applied="1:good")
    assert planned(wanted(), see(bad, good), memory) == """\
pull img (the definition changed)
make data (the definition changed)
stop old (superseded)
remove old (superseded)
create f-rosewood.next (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


def test_a_previous_container_that_is_known_to_fail_is_not_gone_back_to() -> None:
    previous = old(Phase.EXITED, name="f-rosewood-previous")
    seen = see(container(Phase.RESTARTING), previous)
    crashed = settled(crashes=(NOW,) * 3, bad=OTHER)
    assert not plan_for(wanted(), seen, crashed).comes_back
    assert plan_for(wanted(), seen, crashed.model_copy(update={"bad": ""})).comes_back


def test_a_stop_does_not_wait_for_a_container_that_cannot_be_made() -> None:
    memory = failed(settled(), STOPPED, "x", NOW, retry=True, served=True)
    assert planned(STOPPED, see(old()), memory) == "stop old (desired: stopped)"


def test_a_start_after_a_stop_brings_back_what_served_before() -> None:
    memory = failed(settled(), wanted(), "x", NOW, retry=True, served=True)
    assert planned(wanted(), see(old(Phase.EXITED)), memory) == (
        "start old (the new definition failed; the previous container goes on)"
    )


def test_a_failed_server_can_be_renamed() -> None:
    memory = failed(settled(), wanted(), "x", NOW, retry=True)
    assert planned(wanted(), see(old(name="f-before")), memory) == (
        "rename old to f-rosewood (renamed)\nagain in 1 s"
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


# --- an Engine that has lost track of a process


@pytest.mark.parametrize("want", [
    wanted(), wanted(Goal.STOPPED), wanted(Goal.DELETED), wanted(Goal.PURGED),
])  # fmt: skip
def test_a_process_that_the_engine_does_not_know_is_ended_before_anything_else(
    want: DesiredServer,
) -> None:
    cause = "the Engine has lost track of it"
    lost = container(Phase.EXITED, astray=True)
    assert planned(want, see(lost)) == f"end the unknown process of new ({cause})"
    assert planned(want, see(lost, old())) == f"end the unknown process of new ({cause})"


def test_a_process_that_the_engine_does_not_know_is_left_alone_while_the_world_is_away() -> None:
    lost = container(Phase.EXITED, astray=True)
    assert "end the unknown" not in planned(wanted(), see(lost, world=UNREADABLE))
