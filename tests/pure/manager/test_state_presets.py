"""A changed preset, as the manager takes it in: the servers that use it, and no others."""

from __future__ import annotations

from dataclasses import replace

from tests.pure.fleets import NOW, doc, fleet_of, running
from zedops.fleet.fleet import Fleet
from zedops.manager.state import Ledger
from zedops.spec import preset
from zedops.spec.layout import preset_path
from zedops.spec.settings import Settings

MINE = preset_path("mine")
SETTINGS = Settings(name="fleet", hosts=("local", "cellar"))


def fleet_with(text: str) -> Fleet:
    """Make a fleet of three servers, two of which use a preset."""
    users = [
        doc("servers.d/a.yaml", "game: mine\nhost: local\n", running(1)),
        doc("servers.d/b.yaml", "game: mine\nhost: local\nimage: own\n", running(2)),
        doc("servers.d/c.yaml", "image: x\nhost: cellar\n", running(3, host="cellar")),
    ]
    made = preset.parse(MINE, text.encode())
    return replace(fleet_of(*users, settings=SETTINGS), presets={"mine": made})


def ledger_after(*texts: str) -> Ledger:
    """Take in a fleet, then later ones that differ in the preset alone."""
    ledger = Ledger()
    first = fleet_with(texts[0])
    ledger.advance(replace(first, commit="1" * 40), first.documents, {}, NOW)
    ledger.committed("1" * 40, 0)
    for text in texts[1:]:
        ledger.assigned.stale.clear()
        pushed = replace(ledger.fleet, presets=fleet_with(text).presets)
        ledger.advance(pushed, {MINE}, {MINE: "newer"}, NOW)
    return ledger


def asked(ledger: Ledger, host: str = "local") -> dict[str, tuple[str, str]]:
    """Say which image and which commit a host is asked for, by server."""
    return {each.name: (each.definition.image, each.commit)
            for each in ledger.document(host).servers.values()}


def test_a_changed_preset_is_handed_out_to_the_servers_that_it_changes() -> None:
    ledger = ledger_after("image: one\n", "image: two\n")
    assert ledger.assigned.stale == {"local"}
    assert asked(ledger) == {"a": ("two", "newer"), "b": ("own", "3f2a1c9")}
    assert asked(ledger, "cellar") == {"c": ("x", "3f2a1c9")}


def test_a_comment_in_a_preset_is_handed_to_nobody() -> None:
    assert ledger_after("image: one\n", "# why\nimage: one\n").assigned.stale == set()


def test_with_a_broken_preset_the_last_good_definition_goes_on_and_its_file_says_so() -> None:
    ledger = ledger_after("image: one\n", "image: one two\n")
    assert asked(ledger)["a"] == ("one", "3f2a1c9")
    state = ledger.fleet.documents["servers.d/a.yaml"].state
    assert state is not None
    assert str(state.message).startswith("servers.d/a.yaml:1:1: game: the preset cannot be used:")
    assert str(state.message).endswith("(the last good definition goes on)")


def test_a_mended_preset_takes_the_message_away() -> None:
    ledger = ledger_after("image: one\n", "image: one two\n", "image: two\n")
    assert asked(ledger)["a"] == ("two", "newer")
    state = ledger.fleet.documents["servers.d/a.yaml"].state
    assert state is not None
    assert state.message is None
