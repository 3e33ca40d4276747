"""A move of a world: what git asks for, how far it is, and what the hub refuses."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc, fleet_of, running
from zedops.fleet.checks import check
from zedops.fleet.fleet import Fleet
from zedops.fleet.moving import Move, Stage, move_of, stage_of
from zedops.protocol.moves import MoveFacts, WorldSnapshot
from zedops.spec.settings import Settings

PATH = "servers.d/a.yaml"
SETTINGS = Settings(name="f", hosts=("attic", "cellar"))
TOKEN = "attic (2026-12-01T10:00:00Z)"
ONE, TWO = (WorldSnapshot(snapshot=each * 8, size_bytes=1, files=1) for each in "ab")
MOVE = Move(TOKEN, "attic", "cellar", "attic")


def fleet(head: str, **facts: object) -> Fleet:
    known = {"host": "attic", **facts}
    return fleet_of(doc(PATH, f"image: a\n{head}", running(1, **known)), settings=SETTINGS)


def bring(said: str = TOKEN, host: str = "cellar") -> str:
    return f"host: {host}\nvolumes: {{w: /w}}\nworld: {{bring: {said}}}\n"


@pytest.mark.parametrize(("head", "facts", "moves"), [
    (bring(), {}, True),
    (bring("attic"), {}, True),
    (bring(), {"host": "cellar"}, True),  # it has arrived
    (bring(host="attic"), {}, False),  # the commit is reverted
    ("host: cellar\nvolumes: {w: /w}\n", {}, False),
    (bring("loft"), {}, False),
    (bring(), {"data_exists": False}, False),
    (bring(), {"host": "loft"}, False),
])  # fmt: skip
def test_git_asks_for_a_move(head: str, facts: dict[str, object], moves: bool) -> None:
    made = fleet(head, **facts)
    assert (move_of(made, made.documents[PATH]) is not None) is moves


def said(**facts: object) -> MoveFacts:
    return MoveFacts.model_validate({"token": TOKEN, **facts})


@pytest.mark.parametrize(("gives", "takes", "lost", "counts", "stage"), [
    (said(), said(), False, False, Stage.COPY),
    (said(base=ONE), said(), False, False, Stage.COPY),
    (said(base=ONE), said(fetched="aaaaaaaa"), False, False, Stage.LAST),
    (said(base=ONE, last=TWO), said(fetched="aaaaaaaa"), False, True, Stage.LAST),
    (said(base=ONE, last=TWO), said(fetched="bbbbbbbb", placed="bbbbbbbb"), False, True,
     Stage.LEAVE),
    (said(base=ONE, last=TWO), said(fetched="bbbbbbbb", placed="bbbbbbbb"), False, False,
     Stage.LAST),  # the server may have run since
    (said(base=ONE, last=TWO), said(fetched="bbbbbbbb", placed="aaaaaaaa"), False, True,
     Stage.LAST),
    (said(base=ONE), said(fetched="aaaaaaaa"), True, False, Stage.COPY),  # it runs on meanwhile
    (said(failure="full"), said(), False, False, Stage.FAILED),
    (said(base=ONE), said(failure="full"), False, False, Stage.FAILED),
])  # fmt: skip
def test_the_stage_follows_from_the_facts_of_both_hosts(
    gives: MoveFacts, takes: MoveFacts, lost: bool, counts: bool, stage: Stage
) -> None:
    assert stage_of(MOVE, gives, takes, is_lost=lost, last_counts=counts) is stage


@pytest.mark.parametrize(("takes", "stage"), [
    (said(placed="bbbbbbbb"), Stage.ARRIVED), (said(placed="bbbbbbbb", proven=True), Stage.DONE),
    (said(placed="bbbbbbbb", failure="it crashes"), Stage.BACK), (said(), Stage.ARRIVED),
])  # fmt: skip
def test_the_new_host_keeps_it_unless_it_failed_there(takes: MoveFacts, stage: Stage) -> None:
    arrived = Move(TOKEN, "attic", "cellar", "cellar")
    assert stage_of(arrived, said(), takes, is_lost=True, last_counts=False) is stage


def test_the_hub_takes_a_move_with_its_world_and_none_without() -> None:
    assert check(fleet(bring()), {PATH}) == []
    found, = check(fleet("host: cellar\nvolumes: {w: /w}\n"), {PATH})
    assert "would stay behind" in found.fact
    assert "zedops move a --host cellar" in found.remedy


def test_a_volume_in_a_place_of_its_own_is_not_brought() -> None:
    head = bring().replace("{w: /w}", "{w: {path: /w, source: /srv/w}}")
    found, = check(fleet(head), {PATH})
    assert "has a `source:` of its own" in found.fact
    assert "--without-world" in found.remedy


@pytest.mark.parametrize("text", ["Attic", "attic (", "a b", "../x", "''"])
def test_a_definition_names_a_host_there(text: str) -> None:
    found = check(fleet(bring(f"'{text}'")), {PATH})
    assert found
    assert found[0].field == "world.bring"


def test_until_the_world_is_over_the_old_host_acts() -> None:
    made = fleet(f"{bring()}moved_from: attic\n")
    assert made.place(made.documents[PATH]) == ("attic", False)
