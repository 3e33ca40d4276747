"""The example fleet in the project's root is one that a push would take."""

from __future__ import annotations

from pathlib import Path

from zedops.fleet import checks
from zedops.fleet.fleet import Fleet, read_settings
from zedops.spec.document import parse
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.state_block import render

ROOT = Path(__file__).parents[2]


def example() -> Fleet:
    settings, problems = read_settings((ROOT / SETTINGS_PATH).read_bytes(), "example")
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / "servers.d").glob("**/*.yaml"))]
    documents = {str(path): parse(str(path), (ROOT / path).read_bytes()) for path in paths}
    return Fleet("", settings, documents, problems)


def test_the_example_fleet_has_no_problems() -> None:
    fleet = example()
    assert len(fleet.documents) >= 3
    assert checks.check(fleet, {SETTINGS_PATH, *fleet.documents}) == []


def test_every_example_ends_in_the_marker_so_that_its_first_state_merges_cleanly() -> None:
    for path, document in example().documents.items():
        assert render(document.head, None) == (ROOT / path).read_bytes(), path
