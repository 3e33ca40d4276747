"""What is wrong with an upstream's commit blocks only itself, and not for longer than it must."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pure.fleets import NOW, doc, fleet_of, running
from zedops.errors import Problem
from zedops.fleet.access import NOT_ALLOWED
from zedops.fleet.deletions import NOT_DELETED, PASSED_OVER, hold_back
from zedops.fleet.fleet import Fleet
from zedops.fleet.last_good import Judgement, judge, suspects
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.settings import Settings
from zedops.spec.state_block import GOES_ON

A, B, C = "servers.d/a.yaml", "servers.d/b.yaml", "servers.d/c.yaml"
PORT = "image: a\nports: {{w: {}}}\n"


def begin(*numbers: int) -> Fleet:
    """Make a fleet of servers with a port each: 80 for the first, 81 for the second."""
    paths = (A, B, C)
    return replace(
        fleet_of(*(doc(paths[n - 1], PORT.format(79 + n), running(n)) for n in numbers)),
        commit="c0",
    )


def push(
    before: Fleet, *heads: tuple[str, str], held: Judgement | None = None, options: str = ""
) -> Judgement:
    """Judge a commit that gives some files other heads; states stay as they are."""
    known = before.documents
    files = {path: doc(path, head, known[path].state if path in known else None)
             for path, head in heads}
    return judge(
        before, before.with_documents(files), files, held.held if held else {},
        dict.fromkeys(files, "abc1234"), [options] if options else [], NOW,
    )


def facts(verdict: Judgement) -> dict[str, str]:
    """Name what is held, and why."""
    return {path: verdict.fleet.documents[path].problems[0].fact for path in verdict.held}


def test_a_good_commit_is_followed_whole() -> None:
    verdict = push(begin(1, 2), (A, PORT.format(81)), (B, PORT.format(80)))
    assert (verdict.held, verdict.problems) == ({}, ())


def test_a_file_that_cannot_be_read_is_held_and_the_others_are_followed() -> None:
    before = begin(1, 2)
    verdict = push(before, (A, "image: [\n"), (B, PORT.format(99)))
    assert list(verdict.held) == [A]
    assert verdict.held[A].good == before.documents[A]
    assert verdict.fleet.documents[A].definition is None
    assert verdict.fleet.documents[B].definition is not None


def test_a_port_of_another_is_held_with_the_place_of_the_other() -> None:
    verdict = push(begin(1, 2), (B, PORT.format(80)))
    assert facts(verdict) == {B: "host port 80/tcp is also used by 'a' (servers.d/a.yaml:2)"}


def test_what_is_held_still_has_its_old_port_so_that_nobody_else_gets_it() -> None:
    verdict = push(begin(1, 2), (B, PORT.format(80)), (C, PORT.format(81)))
    assert set(verdict.held) == {B, C}
    assert verdict.held[C].good is None


def test_what_was_held_is_followed_as_soon_as_nothing_stands_in_its_way() -> None:
    before = begin(1, 2)
    held = push(before, (B, PORT.format(80)))
    again = push(replace(held.fleet, commit="c1"), (A, PORT.format(90)), held=held)
    assert again.held == {}
    assert again.fleet.documents[B].definition == held.held[B].offered.definition
    assert again.judged == {A, B}
    assert again.commits == {A: "abc1234", B: "abc1234"}


def test_what_is_held_twice_keeps_the_first_good_definition() -> None:
    before = begin(1, 2)
    first = push(before, (B, PORT.format(80)))
    second = push(replace(first.fleet, commit="c1"), (B, "image: [\n"), held=first)
    assert second.held[B].good == before.documents[B]


def test_a_copy_of_a_server_is_never_taken_for_the_last_good_one_of_another() -> None:
    before = begin(1)
    copy = doc(B, "image: [\n", before.documents[A].state)
    verdict = judge(before, before.with_documents({B: copy}), {B}, {}, {}, (), NOW)
    assert verdict.held[B].good is None


def test_a_renamed_server_is_held_with_its_own_last_good_definition() -> None:
    before = begin(1)
    moved = doc(C, "image: [\n", before.documents[A].state)
    new = before.with_documents({A: None, C: moved})
    verdict = judge(before, new, {A, C}, {}, {}, (), NOW)
    good = verdict.held[C].good
    assert good is not None
    assert (good.path, good.definition) == (C, before.documents[A].definition)


def test_a_data_volume_that_would_be_left_behind_is_held_until_it_is_meant() -> None:
    before = replace(fleet_of(doc(A, "image: a\nvolumes: {w: /w}\n", running(1))), commit="c0")
    held = push(before, (A, "image: a\n"))
    assert facts(held) == {A: "the data volume 'w' would be left behind with its content"}
    assert "`Zedops-Allow-Delete: a`" in held.problems[0].remedy
    again = push(replace(held.fleet, commit="c1"), (B, "image: b\n"), held=held)
    assert set(again.held) == {A}
    meant = push(
        replace(again.fleet, commit="c2"), (C, "image: c\n"), held=again, options="allow-delete=a"
    )
    assert meant.held == {}


def test_settings_that_cannot_be_followed_leave_the_last_good_ones() -> None:
    before = begin(1)
    wrong = Problem(SETTINGS_PATH, 2, 1, "hosts", "must be a list")
    for new in (
        replace(before, settings=Settings(name="fleet"), problems=(wrong,)),
        replace(before, settings=Settings(name="other")),
    ):
        verdict = judge(before, new, {SETTINGS_PATH}, {}, {}, (), NOW)
        assert verdict.fleet.settings == before.settings
        assert [each.path for each in verdict.problems] == [SETTINGS_PATH]
        assert verdict.held == {}


def test_deletions_beyond_the_budget_are_held_each_under_its_own_name() -> None:
    before = fleet_of(
        *(doc(path, "image: a\n", running(n)) for n, path in enumerate((A, B, C), 1)),
        settings=Settings(name="fleet", deletion_budget=1),
    )
    after = before.with_documents({A: None, B: None})
    held = hold_back(before, after, ())
    assert set(held) == {A, B}
    assert str(held[A]) == (
        "servers.d/a.yaml: its deletion is held back: this commit would delete 2 servers with "
        "data, more than 1; if you mean it, do it again in a commit with the line "
        "`Zedops-Allow-Delete: a,b`"
    )
    assert hold_back(before, after, ("allow-delete=a,b",)) == {}
    assert hold_back(before, before.with_documents({A: None}), ()) == {}


@pytest.mark.parametrize("reason", [NOT_DELETED, PASSED_OVER, NOT_ALLOWED])
def test_a_file_that_was_put_back_says_so_and_nothing_else_does(reason: str) -> None:
    message = f"{A}: {reason}: why {GOES_ON}"
    state = running(1, message=message)
    before = begin(1)
    back = before.with_documents({A: doc(A, PORT.format(80), state)})
    verdict = judge(before, back, {A}, {}, {}, (), NOW)
    assert facts(verdict) == {A: f"{reason}: why"}
    good = verdict.held[A].good
    assert good is not None
    assert good.definition == before.documents[A].definition
    assert suspects(back) == {A}
    assert suspects(before) == set()
