"""What a change will do to each server, said before it is done; the tests compare the text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.pure.fleets import NOW, as_pushed, counter, doc, fleet_of, running
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states
from zedops.fleet.lifecycle import mark_deleted
from zedops.fleet.preview import Effect, judge, lines, preview, rebase
from zedops.spec import preset
from zedops.spec.change import ChangeKind, change
from zedops.spec.layout import SETTINGS_PATH, preset_path
from zedops.spec.model import Definition
from zedops.spec.settings import Settings
from zedops.spec.state import Status

A = "servers.d/a.yaml"
HEAD = "image: x\nvolumes: {world: /data}\n"


def plan(before: Fleet, after: Fleet, paths: set[str]) -> list[str]:
    """Say what becomes of a change, as a push tells it."""
    trusted = carry_over_states(before, after, paths, counter(900), NOW)
    problems = judge(before, trusted, paths)
    return [str(each) for each in preview(before, trusted, paths, problems)]


def edited(head: str | None, *, was: str = HEAD, path: str = A, **facts: Any) -> list[str]:
    """Say what becomes of a server that runs, once its file has another head, or is gone."""
    before = fleet_of(doc(A, was, running(1, **facts)))
    files: dict[str, bytes | None] = {A: None}
    if head is not None:
        files[path] = doc(path, head, running(1)).head.encode()
    return plan(before, as_pushed(before, files), set(files))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (HEAD, "a: nothing"),
        (f"# why\n{HEAD}", "a: nothing"),
        (f"{HEAD}stop: {{grace: 5s}}\n", "a: in place (stop.grace: 30.000s → 5.000s)"),
        (f"{HEAD}drift: report\n", "a: in place (drift: unset → report)"),
        (f"{HEAD}restart: now\n", "a: restart (restart: unset → now), data kept"),
        (f"{HEAD}rebuild: now\n", "a: recreate (rebuild: unset → now), data kept"),
        (HEAD.replace("x", "y"), "a: recreate (image: x → y), data kept"),
        (f"{HEAD}env: {{A: b}}\nuser: '5'\nhostname: h\n",
         "a: recreate (env.A: unset → b; user: unset → 5; 1 more), data kept"),
        (f"{HEAD}desired: stopped\n", "a: stop (desired: running → stopped), data kept"),
        (f"{HEAD}desired: stopped\nuser: '5'\n",
         "a: recreate (desired: running → stopped; user: unset → 5), data kept"),
        (HEAD.replace("}", ", more: /more}"),
         ("a: recreate (volumes.more.path: unset → /more; volumes.more.kind: unset → data),"
          " data kept; new and empty: more")),
        (HEAD.replace("/data", "{path: /data, source: /srv/w}"),
         "a: recreate (volumes.world.source: unset → /srv/w), data left behind: world"),
        ("image: x\n", "a: refused"),
        ("imag: x\n", "a: refused"),
        (None, "a: delete, data kept for 24 h"),
    ],
)  # fmt: skip
def test_an_edit_is_told_with_what_it_costs(head: str | None, told: str) -> None:
    assert edited(head) == [told]


def test_a_stopped_server_is_started_or_left_at_rest() -> None:
    stopped = f"{HEAD}desired: stopped\n"
    assert edited(HEAD, was=stopped) == ["a: start (desired: stopped → running), data kept"]
    assert edited(f"{stopped}restart: now\n", was=stopped) == [
        "a: in place (restart: unset → now)"
    ]


def test_a_server_that_was_never_made_is_created_whatever_is_edited() -> None:
    assert edited(f"{HEAD}user: '5'\n", commit=None, data_exists=False) == ["a: create"]


def test_a_new_server_is_created_and_a_refused_one_says_why() -> None:
    before = fleet_of(doc(A, HEAD, running(1)))
    files = {"servers.d/b.yaml": b"image: y\n", "servers.d/c.yaml": b"image: y\nhost: gone\n"}
    after = as_pushed(before, files)
    trusted = carry_over_states(before, after, set(files), counter(900), NOW)
    rows = preview(before, trusted, files, judge(before, trusted, files))
    assert [str(each) for each in rows] == ["b: create", "c: refused"]
    assert [each.fact for each in rows[1].problems] == ["'gone' is not a host of this fleet"]


def test_a_rename_runs_on() -> None:
    assert edited(HEAD, path="servers.d/b.yaml")[-1] == "b: in place (renamed from a)"


def test_a_move_is_told_where_no_data_holds_it() -> None:
    settings = Settings(name="fleet", hosts=("local", "cellar"))
    before = fleet_of(doc(A, f"{HEAD}host: local\n", running(1, data_exists=False)),
                      settings=settings)
    after = as_pushed(before, {A: f"{HEAD}host: cellar\n".encode()})
    assert plan(before, after, {A}) == ["a: move (host: local → cellar)"]


def test_a_move_says_that_the_data_is_to_be_brought_over() -> None:
    settings = Settings(name="fleet", hosts=("local", "cellar"))
    before = fleet_of(doc(A, f"{HEAD}host: local\n", running(1)), settings=settings)
    text = f"{HEAD}host: cellar\nmoved_from: local\n"
    after = as_pushed(before, {A: text.encode()})
    assert plan(before, after, {A}) == [
        "a: move (host: local → cellar), data stays on local, to be brought over"
    ]


def test_a_restored_server_is_created_over_its_data() -> None:
    grave = "tombstones.d/a.yaml"
    state = mark_deleted(running(1), NOW).model_copy(update={"status": Status.DELETED})
    before = fleet_of(doc(grave, HEAD, state))
    files = {grave: None, A: doc(A, HEAD).head.encode()}
    assert plan(before, as_pushed(before, files), set(files))[0] == (
        "a: create (restored), data kept"
    )


def test_a_tombstone_that_is_removed_or_purged_says_what_becomes_of_the_data() -> None:
    grave = "tombstones.d/a.yaml"
    state = mark_deleted(running(1), NOW).model_copy(update={"status": Status.DELETED})
    before = fleet_of(doc(grave, HEAD, state))
    gone = as_pushed(before, {grave: None})
    assert plan(before, gone, {grave}) == ["a: forget, data stays on its host"]
    purged = before.with_documents({grave: doc(grave, f"{HEAD}purge: data\n", state)})
    assert plan(before, purged, {grave}) == ["a: purge, data removed"]


def test_a_changed_preset_and_changed_defaults_tell_of_the_servers_below_them() -> None:
    def with_preset(image: str) -> Fleet:
        made = preset.parse(preset_path("mine"), f"image: {image}\n".encode())
        users = (doc(A, "game: mine\n", running(1)), doc("servers.d/b.yaml", HEAD, running(2)))
        return replace(fleet_of(*users), presets={"mine": made})

    before = with_preset("x")
    assert plan(before, with_preset("y"), {preset_path("mine")}) == [
        "a: recreate (image: x → y), data kept"
    ]
    defaults = Settings(name="fleet", hosts=("local",), defaults={"user": "5"})
    told = plan(before, replace(before, settings=defaults), {SETTINGS_PATH})
    assert told == [f"{name}: recreate (user: unset → 5), data kept" for name in "ab"]


@pytest.mark.parametrize("head", ["image: a\nstop: {grace: 2h}\n", "image: [a\n", "game: none\n"])
def test_an_old_problem_of_a_file_refuses_no_push_of_other_files(head: str) -> None:
    before = fleet_of(doc(A, head, running(1)), doc("servers.d/b.yaml", HEAD, running(2)))
    now = before.settings.model_copy(update={"defaults": {"drift": "report"}})
    after = replace(before, settings=now)
    assert judge(before, after, {SETTINGS_PATH}) == []
    assert "a: refused" not in plan(before, after, {SETTINGS_PATH})
    assert "a: create" not in plan(before, after, {SETTINGS_PATH})
    assert {each.path for each in judge(before, after, {SETTINGS_PATH, A})} == {A}


def test_a_new_problem_of_an_unchanged_file_refuses_the_push_that_makes_it() -> None:
    before = fleet_of(doc(A, "image: a\nstop: {grace: 2h}\n", running(1)),
                      doc("servers.d/b.yaml", HEAD, running(2)))
    now = before.settings.model_copy(update={"defaults": {"stop": {"grace": "2h"}}})
    (problem,) = judge(before, replace(before, settings=now), {SETTINGS_PATH})
    assert problem.path == "servers.d/b.yaml"


def test_many_servers_are_summed_up_and_those_that_do_not_change_are_not_told() -> None:
    before = fleet_of(doc(A, HEAD, running(1)))
    files = {f"servers.d/n{at:02}.yaml": b"image: y\n" for at in range(12)}
    after = as_pushed(before, files)
    trusted = carry_over_states(before, after, {A, *files}, counter(900), NOW)
    told = lines(preview(before, trusted, {A, *files}))
    assert told[:1] + told[-2:] == ["plan: n00: create", "plan: n09: create",
                                    "plan: and 2 more: 2 create"]
    assert len(told) == 11


def test_what_others_did_meanwhile_is_not_taken_back_by_a_working_copy_that_is_behind() -> None:
    base = fleet_of(doc(A, HEAD), doc("servers.d/b.yaml", HEAD), doc("servers.d/c.yaml", HEAD))
    hub = base.with_documents({
        "servers.d/b.yaml": doc("servers.d/b.yaml", "image: theirs\n"),
        "servers.d/c.yaml": None, "servers.d/d.yaml": doc("servers.d/d.yaml", HEAD),
    })
    mine = base.with_documents({A: doc(A, "image: mine\n")})
    made, paths = rebase(base, mine, hub)
    assert paths == {A}
    assert made.documents == {**hub.documents, A: mine.documents[A]}


def test_edits_of_presets_and_settings_are_one_s_own_too() -> None:
    made = preset.parse(preset_path("mine"), b"image: x\n")
    base = fleet_of()
    settings = Settings(name="fleet", hosts=("local",), purge_data=True)
    mine = replace(base, presets={"mine": made}, settings=settings)
    result, paths = rebase(base, mine, base)
    assert (result, paths) == (mine, {preset_path("mine"), SETTINGS_PATH})
    assert rebase(mine, base, mine)[0] == base


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ChangeKind.NOTHING),
        ({"game": "a"}, ChangeKind.IN_PLACE),
        ({"restart": "1"}, ChangeKind.RESTART),
        ({"rebuild": "1"}, ChangeKind.RECREATE),
        ({"image": "y", "restart": "1"}, ChangeKind.RECREATE),
    ],
)
def test_one_rule_says_what_a_change_means(changed: dict[str, str], expected: ChangeKind) -> None:
    before = Definition(image="x")
    assert change(before, before.model_copy(update=changed)) is expected
    assert Effect(expected).value == expected.value
