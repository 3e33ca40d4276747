"""Where each value of a resolved definition came from, as `zedops show --resolved` prints it."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc
from tests.pure.spec.test_presets import fleet_with
from zedops.errors import InvalidInput
from zedops.fleet import provenance
from zedops.fleet.fleet import Fleet
from zedops.queries import servers
from zedops.queries.rows import ResolvedValue
from zedops.spec import document
from zedops.spec.loader import load

MINE = """\
image: x
env: {A: '1', NAME: '${server.name}'}
health: {test: [a, b]}
limits: {pids: 5}
"""


def shown(fleet: Fleet) -> str:
    """Print server a."""
    return provenance.write(provenance.values(fleet, fleet.documents["servers.d/a.yaml"]))


def test_each_value_says_where_it_came_from() -> None:
    text = "# mine\ngame: mine\nports:\n  game: 5000/udp\nenv:\n  A: ${ports.game}\n"
    fleet = fleet_with(
        doc("servers.d/a.yaml", text), defaults={"limits": {"pids": 9}, "drift": "report"},
        mine=MINE,
    )
    assert shown(fleet) == """\
game: mine                                   # a.yaml:2
image: x                                     # preset mine (presets.d/mine.yaml)
ports:
  game: 5000/udp                             # a.yaml:4
env:
  A: "5000"                                  # a.yaml:6, ${ports.game}
  NAME: a                                    # preset mine (presets.d/mine.yaml), ${server.name}
limits:
  pids: 9                                    # fleet defaults (zedops.yaml)
health:
  test: ["a", "b"]                           # preset mine (presets.d/mine.yaml)
drift: report                                # fleet defaults (zedops.yaml)
"""


@pytest.mark.parametrize("above", ["health: image\n", "health: {test: x}\n", ""])
def test_what_is_printed_and_read_again_is_what_was_resolved(above: str) -> None:
    text = f"game: mine\n{above}restart: 'on: it'\nlabels: {{a.b: '007'}}\n"
    fleet = fleet_with(doc("servers.d/a.yaml", text), mine=MINE)
    again = document.parse("servers.d/a.yaml", shown(fleet).encode())
    assert again.problems == ()
    assert again.definition == fleet.resolve(fleet.documents["servers.d/a.yaml"])[0]


def test_a_value_in_the_place_of_a_mapping_takes_all_of_it_away() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: mine\nhealth: image\n"), mine=MINE)
    assert load("", shown(fleet)).data["health"] == "image"


def test_what_cannot_be_resolved_is_not_shown_half() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: gone\n"))
    with pytest.raises(InvalidInput, match="there is no preset 'gone'"):
        shown(fleet)


def test_machines_get_fields_values_and_origins() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: mine\n"), mine="image: x\n")
    assert servers.resolved(fleet, fleet.documents["servers.d/a.yaml"]) == [
        ResolvedValue("game", "mine", "a.yaml:1"),
        ResolvedValue("image", "x", "preset mine (presets.d/mine.yaml)"),
    ]
