"""Facts in, state out: the table of DESIGN §4 as examples, and what holds for every report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.pure.fleets import NOW, later, running, server_id
from zedops.fleet.lifecycle import MOVES, IllegalMove, fold, mark_deleted, new_state, restore
from zedops.protocol.sync import Activity, ContainerFacts, Goal, ServerReport
from zedops.spec.state import State, Status

UP = ContainerFacts(id="c" * 64, running=True, image="sha256:bb")
DOWN = ContainerFacts(id="c" * 64, running=False, image="sha256:bb", exit_code=1)
OOM = DOWN.model_copy(update={"exit_code": 137, "oom_killed": True})
KILLED = DOWN.model_copy(update={"exit_code": 137})
MADE = DOWN.model_copy(update={"exit_code": None})
STOPPED, LOST = "stopped outside zedops, exit code", "; it was killed, and may have lost progress"
RUN, STOP, DELETE = Goal.RUNNING, Goal.STOPPED, Goal.DELETED


def report(container: ContainerFacts | None = None, **facts: object) -> ServerReport:
    """Make a report of a server, a minute from now."""
    known = ServerReport(id=server_id(1), at=later(60), container=container, about="abc1234")
    return known.model_copy(update=facts)


def text(state: State) -> str:
    """Write what a report made of a state."""
    return f"{state.status}: {state.message}"


NEW = new_state(server_id(1), "attic", NOW)
MAKING = NEW.model_copy(update={"status": Status.CREATING})
RUNS = running(1)


@pytest.mark.parametrize(
    ("state", "facts", "goal", "result"),
    [
        (NEW, report(), RUN, "pending: None"),
        (NEW, report(activity=Activity.CREATING), RUN, "creating: None"),
        (NEW, report(UP), RUN, "running: None"),
        (NEW, report(failure="no such image"), RUN, "failed: no such image"),
        (MAKING, report(), RUN, "creating: None"),
        (MAKING, report(UP), RUN, "running: None"),
        (MAKING, report(DOWN), STOP, "stopped: None"),
        (RUNS, report(UP), RUN, "running: None"),
        (RUNS, report(DOWN), RUN, "stopped: stopped outside zedops, exit code 1"),
        (RUNS, report(OOM), RUN, f"stopped: {STOPPED} 137, out of memory{LOST}"),
        (RUNS, report(KILLED), RUN, f"stopped: {STOPPED} 137{LOST}"),
        (RUNS, report(MADE), RUN, "stopped: its container was made and not started"),
        (RUNS, report(DOWN), STOP, "stopped: None"),
        (RUNS, report(DOWN, note="stopped in 2 s"), STOP, "stopped: stopped in 2 s"),
        (RUNS, report(), RUN, "missing: None"),
        (RUNS, report(note="left so"), RUN, "missing: left so"),
        (RUNS, report(data_lost=True, note="gone"), RUN, "missing: gone"),
        (RUNS, report(activity=Activity.CREATING), RUN, "creating: None"),
        (RUNS, report(UP, failure="port taken"), RUN, "failed: port taken"),
        (RUNS, report(DOWN, failure="crashed"), RUN, "failed: crashed"),
        (RUNS, report(DOWN, failure="no"), STOP, "stopped: the new definition is not applied: no"),
        (RUNS, report(UP, failure="no"), STOP, "failed: no"),
        (running(1, message="unhealthy: x"), report(UP), RUN, "running: None"),
        (running(1, message="starting: x"), report(UP), RUN, "running: None"),
        (running(1, message="paused; left so by `drift: report`"), report(UP), RUN,
         "running: None"),
        (running(1, message="unhealthy: x"), report(UP, activity=Activity.OTHER), RUN,
         "running: unhealthy: x"),
        (running(1, message="recovered: x"), report(UP), RUN, "running: recovered: x"),
        (mark_deleted(RUNS, NOW), report(UP), DELETE, "deleting: None"),
        (mark_deleted(RUNS, NOW), report(activity=Activity.REMOVING), DELETE, "deleting: None"),
        (mark_deleted(RUNS, NOW), report(UP, failure="cannot stop"), DELETE,
         "deleting: cannot stop"),
        (mark_deleted(RUNS, NOW), report(), DELETE, "deleted: None"),
        (running(1, status=Status.UNKNOWN), report(UP), RUN, "running: None"),
        (running(1, status=Status.UNKNOWN), report(), RUN, "missing: None"),
        (running(1, status=Status.UNKNOWN, commit=None), report(), RUN, "pending: None"),
        (running(1, status=Status.FAILED, message="x"), report(UP), RUN, "running: None"),
        (running(1, status=Status.FAILED, message="x"), report(failure="x"), RUN, "failed: x"),
    ],
)  # fmt: skip
def test_what_a_report_makes_of_a_state(
    state: State, facts: ServerReport, goal: Goal, result: str
) -> None:
    assert text(fold(state, facts, goal)) == result


def test_since_is_when_the_status_began_and_not_when_it_was_last_confirmed() -> None:
    assert fold(RUNS, report(UP), RUN).since == NOW
    assert fold(RUNS, report(DOWN), RUN).since == later(60)


def test_the_commit_is_taken_over_once_it_is_applied() -> None:
    assert fold(RUNS, report(UP), RUN).commit == "3f2a1c9"
    assert fold(RUNS, report(UP, applied=True), RUN).commit == "abc1234"


def test_what_really_runs_is_in_the_state() -> None:
    state = fold(RUNS, report(UP), RUN)
    assert (state.container, state.image) == ("c" * 12, "sha256:bb")


def test_a_container_that_is_gone_is_no_longer_in_the_state() -> None:
    assert fold(RUNS, report(), RUN).container is None
    assert fold(mark_deleted(RUNS, NOW), report(), DELETE).container is None


def test_a_message_is_one_line_as_it_will_be_read_back_from_the_file() -> None:
    state = fold(RUNS, report(UP, failure="first line\n  second\x1b[31m line\r\n"), RUN)
    assert state.message == "first line second[31m line"


@pytest.mark.parametrize("said", [
    "paused outside zedops; left so by `drift: report`",
    "volume 'world': cannot look at /mnt/world: Stale file handle; mount it again",
])
def test_a_message_about_a_condition_ends_with_it(said: str) -> None:
    stands = fold(RUNS, report(UP, note=said), RUN)
    assert text(stands) == f"running: {said}"
    assert text(fold(stands, report(UP), RUN)) == "running: None"


def test_the_remedy_for_lost_data_goes_once_the_data_is_back() -> None:
    lost = fold(RUNS, report(UP, data_exists=False, data_lost=True, note="it is gone"), RUN)
    assert text(fold(lost, report(UP), RUN)) == "running: it is gone"  # could not look
    back = fold(lost, report(UP, data_exists=True), RUN)
    assert (text(back), back.data_lost) == ("running: None", False)


def test_a_message_about_an_incident_stays() -> None:
    healed = fold(RUNS, report(UP, note="recovered: it was gone"), RUN)
    said = "running: recovered: it was gone"
    assert text(fold(healed, report(UP, data_exists=True), RUN)) == said


def test_times_are_kept_to_the_second_as_the_file_has_them() -> None:
    at = later(60) + timedelta(microseconds=123)
    assert fold(RUNS, report(DOWN, at=at), RUN).since == later(60)
    assert mark_deleted(RUNS, at).deleted_at == later(60)
    assert new_state(server_id(1), None, at).since == later(60)


def test_a_buried_server_keeps_everything_but_its_life() -> None:
    grave = mark_deleted(RUNS, later(5))
    assert (grave.status, grave.deleted_at, grave.id) == (Status.DELETING, later(5), RUNS.id)
    assert (grave.data_exists, grave.container) == (True, RUNS.container)


def test_burying_twice_keeps_the_first_time() -> None:
    assert mark_deleted(mark_deleted(RUNS, NOW), later(99)) == mark_deleted(RUNS, NOW)


def test_a_revived_server_is_pending_with_the_same_id_and_data() -> None:
    back = restore(mark_deleted(RUNS, NOW), later(5))
    assert (back.status, back.deleted_at, back.id) == (Status.PENDING, None, RUNS.id)
    assert back.data_exists


def test_a_server_can_be_revived_from_every_stage_of_deletion() -> None:
    for status in (Status.DELETING, Status.DELETED, Status.UNKNOWN):
        grave = mark_deleted(RUNS, NOW).model_copy(update={"status": status})
        assert restore(grave, NOW).status is Status.PENDING


def test_an_illegal_move_says_which_server_and_from_where_to_where() -> None:
    gone = running(1, status=Status.DELETED)
    words = f"server {server_id(1)}: deleted cannot become running; this is a bug"
    with pytest.raises(IllegalMove) as raised:
        fold(gone, report(UP), RUN)
    assert str(raised.value) == words


def test_every_status_has_its_moves() -> None:
    assert MOVES.keys() == set(Status)


# --- for every report

_CONTAINERS = st.one_of(st.none(), st.sampled_from([UP, DOWN, OOM]))
_REPORTS = st.builds(
    ServerReport, id=st.just(server_id(1)), at=st.integers(0, 99).map(later), container=_CONTAINERS,
    data_exists=st.sampled_from([None, True, False]), data_lost=st.booleans(),
    activity=st.one_of(st.none(), st.sampled_from(Activity)),
    failure=st.sampled_from([None, "it failed"]), note=st.sampled_from([None, "a note"]),
    about=st.sampled_from(["abc1234", "def5678"]), applied=st.booleans(),
).map(
    # what is applied is a container
    lambda each: each.model_copy(update={"applied": each.applied and each.container is not None})
)  # fmt: skip
_ALIVE = st.builds(
    lambda status, commit, data: running(1, status=status, commit=commit, data_exists=data),
    st.sampled_from(sorted(set(Status) - {Status.DELETING, Status.DELETED})),
    st.sampled_from([None, "3f2a1c9"]), st.booleans(),
)  # fmt: skip
_BURIED = st.sampled_from(
    [mark_deleted(RUNS, NOW), running(1, status=Status.DELETED, deleted_at=NOW)]
)


def _cases() -> st.SearchStrategy[tuple[State, Goal]]:
    return st.one_of(
        st.tuples(_ALIVE, st.sampled_from([RUN, STOP])), st.tuples(_BURIED, st.just(DELETE))
    )


@given(_cases(), _REPORTS)
def test_no_report_is_an_illegal_move_and_each_says_it_all_at_once(
    case: tuple[State, Goal], facts: ServerReport
) -> None:
    state, goal = case
    once = fold(state, facts, goal)
    assert fold(once, facts, goal) == once


@given(_cases(), _REPORTS)
def test_what_could_not_be_looked_at_changes_no_fact_about_data(
    case: tuple[State, Goal], facts: ServerReport
) -> None:
    assume(facts.data_exists is None)
    state, goal = case
    assert fold(state, facts, goal).data_exists == state.data_exists


@given(_cases(), _REPORTS)
def test_the_id_and_the_time_of_deletion_never_change_by_a_report(
    case: tuple[State, Goal], facts: ServerReport
) -> None:
    state, goal = case
    after = fold(state, facts, goal)
    assert (after.id, after.deleted_at) == (state.id, state.deleted_at)


@given(_cases(), st.lists(_REPORTS, max_size=4), _REPORTS)
def test_the_last_report_decides_whatever_was_lost_or_doubled_before(
    case: tuple[State, Goal], before: list[ServerReport], last: ServerReport
) -> None:
    state, goal = case
    assume(state.commit is not None)
    assume(last.data_exists is not None)
    for each in before:
        state = fold(state, each, goal)
    end = fold(state, last, goal)
    assert end.data_exists == last.data_exists
    assert end.status == fold(case[0], last, goal).status
