"""A push that changes the rules and uses them at once is bound by the stricter of both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.pure.fleets import NOW, as_pushed, counter, doc, fleet_of, later, running
from zedops.fleet.deletions import check_deletions, check_volumes
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states
from zedops.fleet.lifecycle import due, keep, mark_deleted, purges_data, put_off, restore
from zedops.fleet.preview import preview
from zedops.manager.state import Ledger
from zedops.spec import state_block
from zedops.spec.document import parse
from zedops.spec.layout import MAX_BYTES, MAX_FILE_BYTES
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status

USUAL = Settings(name="fleet", hosts=("local",))
LOOSE = USUAL.model_copy(
    update={"retention": 0.001, "purge_data": True, "deletion_budget": 100}
)
PATHS = [f"servers.d/s{number}.yaml" for number in range(6)]


def fleet(settings: Settings = USUAL) -> Fleet:
    servers = [doc(path, f"image: a{at}\n", running(at)) for at, path in enumerate(PATHS)]
    return replace(fleet_of(*servers, settings=settings), commit="c0ffee1")


def push(before: Fleet, settings: Settings, changes: dict[str, bytes | None]) -> Fleet:
    after = replace(as_pushed(before, changes), settings=settings)
    return carry_over_states(before, after, changes, counter(100), NOW)


def grave(after: Fleet) -> State:
    state = next(iter(after.tombstones())).state
    assert state is not None
    return state


@pytest.mark.parametrize(("before", "now"), [(USUAL, LOOSE), (LOOSE, USUAL)])
def test_one_push_that_loosens_the_rules_and_deletes_is_held_to_the_stricter_ones(
    before: Settings, now: Settings
) -> None:
    after = push(fleet(before), now, dict.fromkeys(PATHS[:5]))
    (problem,) = check_deletions(fleet(before), after, ())
    assert problem.fact == "this push would delete 5 servers with data, more than 3"
    state = grave(after)
    assert state.kept_until == NOW + timedelta(days=1)
    assert not state.purge_data
    assert due(state, LOOSE) == NOW + timedelta(days=1)
    assert not purges_data(state, LOOSE)
    row = next(each for each in preview(fleet(before), after, PATHS) if each.server == "s0")
    assert str(row) == "s0: delete, data kept for 24 h"


def test_worlds_that_are_lost_at_the_moment_count_as_data() -> None:
    servers = [doc(path, "image: a\nvolumes: {world: /w}\n",
                   running(at, data_exists=False, data_lost=True))
               for at, path in enumerate(PATHS)]
    before = replace(fleet_of(*servers, settings=USUAL), commit="c0ffee1")
    (problem,) = check_deletions(before, push(before, USUAL, dict.fromkeys(PATHS[:5])), ())
    assert problem.fact == "this push would delete 5 servers with data, more than 3"
    (problem,) = check_volumes(before, push(before, USUAL, {PATHS[0]: b"image: a\n"}), ())
    assert problem.fact == "the data volume 'world' would be left behind with its content"


def test_rules_that_held_before_a_deletion_bind_it() -> None:
    state = grave(push(fleet(LOOSE), LOOSE, dict.fromkeys(PATHS[:1])))
    assert purges_data(state, LOOSE)
    assert not purges_data(state, USUAL)
    assert due(state, LOOSE) == later(0.001)
    assert due(state, USUAL) == NOW + timedelta(days=1)  # a longer retention counts for all


def test_tombstones_of_earlier_releases_keep_to_the_rules_that_they_had() -> None:
    buried = mark_deleted(running(1), NOW).model_copy(update={"status": Status.DELETED})
    assert buried.kept_until is None
    begun = replace(fleet_of(doc("tombstones.d/a.yaml", state=buried)), commit="c0ffee1")
    ledger = Ledger(fleet=begun)
    loose = replace(begun, settings=LOOSE, commit="c0ffee2")
    ledger.advance(loose, {"zedops.yaml"}, {}, NOW)
    ledger.sweep(later(3600))
    assert grave(ledger.fleet).kept_until == NOW + timedelta(days=1)
    assert [each.path for each in ledger.fleet.tombstones()] == ["tombstones.d/a.yaml"]
    ledger.sweep(later(25 * 3600))
    assert list(ledger.fleet.tombstones()) == []


def test_what_a_tombstone_is_kept_for_is_written_below_it_and_nowhere_else() -> None:
    state = keep(mark_deleted(running(1), NOW), USUAL)
    text = state_block.render("image: a\n", state)
    assert b'kept_until: "2026-11-24T10:00:00Z"\n  purge_data: false\n' in text
    assert parse("tombstones.d/a.yaml", text).state == state
    assert b"kept_until" not in state_block.render("image: a\n", running(1))
    assert restore(state.model_copy(update={"status": Status.DELETED}), NOW).kept_until is None
    assert due(put_off(state, timedelta(hours=1)), LOOSE) == NOW + timedelta(hours=25)


def test_a_purge_of_a_server_that_lives_takes_its_name() -> None:
    before = fleet()
    purge = b"image: a0\npurge: data\n"
    after = push(before, USUAL, {PATHS[0]: None, "tombstones.d/s0.yaml": purge})
    for options in ((), ("allow-delete=all",), ("allow-delete=s1",)):
        (problem,) = check_deletions(before, after, options)
        assert problem.fact == (
            "this push would remove the data of servers that are not deleted yet (s0)"
        )
        assert problem.remedy.endswith("-o allow-delete=s0")
    assert check_deletions(before, after, ("allow-delete=s0",)) == []
    (row,) = preview(before, after, [PATHS[0]])
    assert str(row) == "s0: purge (it is stopped first), data removed at once"


def test_the_limit_of_a_file_is_of_the_persons_half() -> None:
    head = "image: a\n" + "#" * (MAX_BYTES - 10) + "\n"
    assert len(head) == MAX_BYTES
    state = running(1, message="x" * 100_000)
    content = state_block.render(head, state)
    assert MAX_BYTES < len(content) <= MAX_FILE_BYTES
    read = parse(PATHS[0], content)
    assert (read.head, read.id, read.problems) == (head, state.id, ())
    longer = parse(PATHS[0], state_block.render(f"#{head}", state))
    assert longer.id == state.id
    assert [each.fact for each in longer.problems] == [
        f"{MAX_BYTES + 1} bytes, more than the {MAX_BYTES} a definition may have"
    ]
    asked = state_block.render(head + "purge: data\n", state)
    assert parse("tombstones.d/a.yaml", asked).definition is not None
