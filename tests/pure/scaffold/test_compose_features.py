"""Each feature of a compose file, imported and compared with what Compose itself makes of it.

`scripts/compare-compose --store tests/compose/features` wrote the results of Compose.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.compose.__main__ import files_of
from tests.compose.comparison import Import, compare, read
from tests.pure.fleets import doc, fleet_of
from zedops.fleet.checks import check
from zedops.scaffold.compose import accounts
from zedops.scaffold.compose.services import METHODS
from zedops.scaffold.container import server_name
from zedops.spec.definition_text import render

FEATURES = Path(__file__).parents[2] / "compose/features"
THERE = "/there/features"
FILES = [str(each.relative_to(FEATURES)) for each in files_of(FEATURES)]


def place(path: str) -> Path:
    """Find a file of the features by its path in the stored results."""
    return FEATURES / Path(path).relative_to(THERE)


def open_file(path: str) -> bytes | None:
    """Read a file of the features; no other file is there."""
    return place(path).read_bytes() if path.startswith(THERE) and place(path).is_file() else None


def imported(name: str) -> Import:
    """Import one feature as `zedops import` does."""
    return read(f"{THERE}/{name}", open_file, lambda _: None, {"HOME": "/root"})


def stored(name: str) -> dict[str, Any]:
    """Read Compose's result."""
    found: dict[str, Any] = json.loads((FEATURES / name).with_suffix(".json").read_text())
    return found


@pytest.mark.parametrize("name", FILES)
def test_no_difference_from_compose_is_silent(name: str) -> None:
    found = compare(imported(name), stored(name)["config"])
    assert [each for each in found if not each.told] == []


@pytest.mark.parametrize("name", FILES)
def test_a_push_takes_what_is_imported(name: str) -> None:
    made = {f"servers.d/{server_name(each.name)}.yaml": render(each.fields, each.notes)
            for each in imported(name).services.values() if not each.refused}
    fleet = fleet_of(*(doc(path, text) for path, text in made.items()))
    assert [str(each) for each in check(fleet, made)] == []


def test_a_difference_that_no_note_names_is_silent() -> None:
    config = stored("program.yaml")["config"]
    config["services"]["game"] |= {"user": "7", "unheard_of": True}
    mute = {each.field for each in compare(imported("program.yaml"), config) if not each.told}
    assert mute == {"user", "unheard_of"}


def test_a_service_that_only_one_of_the_two_creates_is_a_difference() -> None:
    config = stored("program.yaml")["config"]
    config["services"]["more"] = config["services"].pop("game")
    found = {(each.service, each.compose, each.zedops)
             for each in compare(imported("program.yaml"), config)}
    assert found == {("more", "creates it", None), ("game", None, "creates it")}


def test_a_file_that_only_one_of_the_two_reads_is_a_difference() -> None:
    assert [each.told for each in compare(imported("program.yaml"), None)] == [""]
    refused = Import({}, (), "has no services")
    assert [each.told for each in compare(refused, {"services": {}})] == ["has no services"]
    assert compare(refused, None) == []


def test_every_translated_key_is_described() -> None:
    assert set(accounts.BECOMES) == set(METHODS)
