"""What an agent remembers: only what cannot be seen by looking again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import NOW, later
from tests.pure.plans import EMPTY, OTHER, THERE, container, old, see, settled, wanted
from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.crashes import CRASH_BUDGET, CRASH_WINDOW_S, STABLE_S
from zedops_agent.failures import LAST_LINES, RETRY_MAX_S, failed, left_s
from zedops_agent.memory import Failure, Memory, Restarting, began
from zedops_agent.observed import Ceilings, Observed, Phase
from zedops_agent.remember import reached, remember

WANT = wanted()


def test_data_that_was_seen_once_is_remembered_when_it_is_gone() -> None:
    memory = remember(Memory(), WANT, see(world=THERE), NOW)
    assert remember(memory, WANT, see(world=EMPTY), NOW).data_seen == ("world",)


def test_a_container_made_for_a_restart_token_has_answered_it() -> None:
    assert remember(Memory(), wanted(restart="now"), see(container()), NOW).restart == "now"


def test_a_container_that_was_there_before_the_token_has_not() -> None:
    memory = remember(Memory(), WANT, see(container()), NOW)
    assert remember(memory, wanted(restart="now"), see(container()), NOW).restart is None


def test_the_image_that_ran_is_known_until_another_one_has_proven_itself() -> None:
    memory = remember(Memory(), WANT, see(container()), NOW)
    assert memory.ran == {"img": "sha256:1"}
    young = container(id="b", image="sha256:2", definition=OTHER, started_at=NOW)
    definition = WANT.definition.model_copy(update={"image": "bad"})
    bad = wanted(hash=OTHER, definition=definition)
    memory = remember(memory, bad, see(young), later(1))
    assert memory.ran == {"img": "sha256:1", "bad": "sha256:2"}
    assert remember(memory, bad, see(young), later(11)).ran == {"bad": "sha256:2"}


def test_a_restart_is_answered_by_a_process_that_started_later() -> None:
    begun = remember(Memory(), WANT, see(container()), NOW).model_copy(
        update={"restarting": Restarting(token="now", started_at=later(-60))}  # noqa: S106
    )
    want = wanted(restart="now")
    assert remember(begun, want, see(container(Phase.EXITED)), NOW).restart is None
    again = remember(begun, want, see(container(started_at=later(1))), NOW)
    assert (again.restart, again.restarting) == ("now", None)


def test_a_restart_and_a_rebuild_at_once_are_both_answered_by_the_new_container() -> None:
    want = wanted(restart="now", rebuild="now")
    seen = see(old(Phase.EXITED), container(Phase.EXITED), container(id="newer", rebuild="now"))
    memory = remember(remember(Memory(), WANT, see(container()), NOW), want, seen, NOW)
    assert (memory.restart, memory.counted[0]) == ("now", "newer")


def test_crashes_are_counted_by_the_engine_also_while_nobody_looks() -> None:
    memory = remember(Memory(), WANT, see(container(restart_count=1)), NOW)
    assert len(memory.crashes) == 1
    memory = remember(memory, WANT, see(container(restart_count=3)), later(5))
    assert len(memory.crashes) == 3


def test_old_crashes_are_forgotten() -> None:
    memory = remember(Memory(), WANT, see(container(restart_count=3)), NOW)
    later_on = remember(memory, WANT, see(container(restart_count=4)), later(CRASH_WINDOW_S + 1))
    assert len(later_on.crashes) == 1


def test_another_container_starts_to_count_from_nothing() -> None:
    memory = remember(Memory(), WANT, see(container(restart_count=2)), NOW)
    memory = remember(memory, WANT, see(container(id="newer", restart_count=1)), NOW)
    assert memory.counted == ("newer", 1)
    assert len(memory.crashes) == 3


EDITED = wanted(hash=OTHER)
AGAIN = wanted(restart="now")


def known_bad(**facts: Any) -> Memory:
    """Remember a definition that failed for good, and crashed."""
    memory = failed(Memory(crashes=(NOW,) * 3), WANT, "x", NOW, retry=False)
    return remember(memory, WANT, see(), NOW).model_copy(update=facts)


@pytest.mark.parametrize("want", [EDITED, AGAIN])
def test_an_edit_or_a_retry_forgives_failures_and_crashes(want: DesiredServer) -> None:
    fresh = remember(known_bad(tries=4), want, see(), NOW)
    assert (fresh.failure, fresh.crashes, fresh.tries) == (None, (), 0)


def test_another_name_for_the_same_commit_forgives_nothing() -> None:
    memory = known_bad()
    assert remember(memory, wanted(commit="c2"), see(), NOW) == memory


def test_a_memory_of_an_older_release_forgives_nothing_but_knows_a_retry() -> None:
    failure = Failure(text="x", commit="c0", hash=WANT.hash)
    memory = remember(Memory(failure=failure), WANT, see(), NOW)
    assert memory.failure is not None
    assert memory.failure.text == "x"
    assert remember(memory, AGAIN, see(), NOW).failure is None


def test_crashes_of_a_bad_definition_do_not_count_against_the_good_one() -> None:
    good = container(id="good", definition=OTHER, restart_count=7)
    memory = remember(settled(EDITED), EDITED, see(good), NOW)
    bad = container(Phase.RESTARTING, started_at=NOW, restart_count=3)
    memory = remember(memory, WANT, see(bad, replace(good, phase=Phase.EXITED)), later(1))
    assert len(memory.crashes) == 3
    memory = remember(memory, EDITED, see(good), later(2))
    assert (memory.crashes, memory.bad) == ((), WANT.hash)


def test_a_stop_keeps_what_failed_and_a_start_tries_it_at_once() -> None:
    memory = failed(Memory(), WANT, "x", NOW, retry=True)
    stopped = remember(memory, wanted(Goal.STOPPED), see(), NOW)
    assert stopped.failure is not None
    assert stopped.failure.text == "x"
    started = remember(stopped, WANT, see(), NOW)
    assert started.failure is not None
    assert started.failure.retry_at == NOW
    assert remember(memory, wanted(Goal.DELETED), see(), NOW).failure is None


def test_a_crash_waits_longer_each_time_and_never_longer_than_it_ran() -> None:
    memory, waits = Memory(), []
    for ran_s in (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 12.0, 0.1, 299.0):
        memory = failed(memory, WANT, "x", NOW, retry=True, ran_s=ran_s)
        assert memory.failure is not None
        assert memory.failure.retry_at is not None
        waits.append((memory.failure.retry_at - NOW).total_seconds())
        memory = reached(memory, WANT)
    assert waits == [1, 2, 4, 8, 16, 32, 12, 128, 256]


def test_a_server_that_runs_stably_begins_with_short_waits_again() -> None:
    memory = settled(tries=9, crashes=(NOW,), counted=("new", 1))
    ran = see(container(started_at=NOW, restart_count=1))
    assert remember(memory, WANT, ran, later(STABLE_S - 1)).tries == 9
    stable = remember(memory, WANT, ran, later(STABLE_S))
    assert (stable.tries, stable.crashes) == (0, ())


def test_a_container_that_the_engine_does_not_restart_is_counted_by_its_ends() -> None:
    def ended(at_s: float) -> Observed:
        limits = Ceilings(0, 0, 512, "no")
        return see(container(Phase.EXITED, started_at=later(at_s), ceilings=limits))

    memory = settled(counted=("new", 0))
    for at_s in (0, 0, 5, 9):
        memory = remember(memory, WANT, ended(at_s), later(at_s + 1))
    assert len(memory.crashes) == 3
    stopped = remember(memory, wanted(Goal.STOPPED), ended(20), later(30))
    assert remember(stopped, WANT, ended(20), later(31)).crashes == memory.crashes


def test_what_fails_as_before_keeps_its_text() -> None:
    engine = "endpoint f-a ({}): Bind for 0.0.0.0:25000 failed"
    memory = failed(Memory(), WANT, engine.format("a1" * 32), NOW, retry=True)
    again = failed(memory, WANT, engine.format("b2" * 32), NOW, retry=True)
    assert again.failure is not None
    assert memory.failure is not None
    assert again.failure.text == memory.failure.text
    crashed = failed(Memory(), WANT, f"exit code 1{LAST_LINES} 10:00 no", NOW, retry=True, ran_s=0)
    worse = failed(crashed, WANT, f"exit code 2{LAST_LINES} 10:01 no", NOW, retry=True, ran_s=0)
    assert worse.failure is not None
    assert worse.failure.text == "exit code 2; last log lines: 10:01 no"


def test_a_previous_container_that_does_not_start_is_told_beside_what_failed() -> None:
    memory = failed(Memory(), WANT, "bad", NOW, retry=False, served=True)
    memory = failed(memory, WANT, "no port", NOW, retry=False)
    assert memory.failure is not None
    assert memory.failure.text == "bad; the previous container does not start either: no port"
    assert (memory.failure.retry_at, memory.failure.served) == (later(2), False)


def test_attempts_wait_longer_each_time_up_to_five_minutes() -> None:
    memory, waits = Memory(), []
    for _ in range(11):
        memory = failed(memory, WANT, "x", NOW, retry=True)
        assert memory.failure is not None
        assert memory.failure.retry_at is not None
        waits.append((memory.failure.retry_at - NOW).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_week_of_attempts_is_no_trouble_either() -> None:
    memory = failed(Memory(), WANT, "x", NOW, retry=True)
    assert memory.failure is not None
    many = memory.failure.model_copy(update={"attempts": 5000})
    memory = failed(Memory(failure=many), WANT, "x", NOW, retry=True)
    assert memory.failure is not None
    assert memory.failure.retry_at == later(300)


def test_what_is_reached_is_remembered_with_its_definition() -> None:
    memory = reached(failed(Memory(), WANT, "x", NOW, retry=True), WANT)
    assert (memory.goal, memory.applied, memory.failure, memory.created) == (
        WANT.goal, WANT.hash, None, True,
    )  # fmt: skip


_LOOKS = st.builds(
    lambda phase, count, mine, world: see(
        (container if mine else old)(phase, restart_count=count), world=world
    ),
    st.sampled_from(Phase), st.integers(0, 50), st.booleans(), st.sampled_from([THERE, EMPTY]),
)  # fmt: skip


@given(st.lists(_LOOKS, min_size=1, max_size=6))
def test_looking_twice_is_looking_once(looks: list[object]) -> None:
    memory = Memory()
    for seen in looks:
        assert isinstance(seen, type(see()))
        memory = remember(memory, WANT, seen, NOW)
        assert remember(memory, WANT, seen, NOW) == memory


@given(st.lists(_LOOKS, max_size=30))
def test_memory_stays_small(looks: list[object]) -> None:
    memory = Memory()
    for second, seen in enumerate(looks):
        assert isinstance(seen, type(see()))
        memory = remember(memory, WANT, seen, later(second * 60))
    assert len(memory.crashes) <= CRASH_BUDGET * (CRASH_WINDOW_S / 60 + 1)


def test_a_memory_is_read_back_from_disk_as_it_was() -> None:
    memory = failed(Memory(crashes=(NOW,), data_seen=("world",)), WANT, "x", NOW, retry=True)
    assert Memory.model_validate_json(memory.model_dump_json()) == memory


# --- clocks


def test_a_clock_that_was_put_back_makes_nobody_wait_longer_than_was_meant() -> None:
    memory = failed(Memory(), WANT, "x", later(18000), retry=True)
    failure = remember(memory, WANT, see(), NOW).failure
    assert failure is not None
    assert failure.retry_at == failure.not_before == later(1)


def test_crashes_before_the_clock_was_put_back_are_forgotten_in_time() -> None:
    memory = remember(Memory(), WANT, see(container(restart_count=2)), later(18000))
    memory = remember(memory, WANT, see(container(restart_count=2)), NOW)
    assert memory.crashes == (NOW, NOW)
    assert remember(memory, WANT, see(container(restart_count=2)), later(601)).crashes == ()


def test_a_process_that_began_in_the_future_is_as_old_as_it_was_seen() -> None:
    shown = later(18000)
    memory = remember(Memory(), WANT, see(container(started_at=shown)), NOW)
    memory = remember(memory, WANT, see(container(started_at=shown)), later(5))
    assert began(memory, shown, later(5)) == NOW
    assert began(memory, later(3), later(5)) == later(3)
    back = remember(memory, WANT, see(container(started_at=shown)), later(-60))  # once more
    assert began(back, shown, later(-50)) == later(-60)


def test_a_clock_that_is_right_costs_no_memory() -> None:
    memory = remember(Memory(), WANT, see(container()), NOW)
    assert remember(memory, WANT, see(container()), later(9)) == memory


def test_a_look_that_is_due_comes_though_the_clock_was_put_back_after_that_was_said() -> None:
    assert left_s(later(10), later(4)) == 6
    assert left_s(later(10), later(12)) == 0
    assert left_s(later(10), later(-86400)) == RETRY_MAX_S
