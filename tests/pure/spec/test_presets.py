"""Presets: what a known game needs, under the fleet's defaults, under the definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pure.fleets import doc, fleet_of, running
from zedops.fleet.checks import check
from zedops.fleet.deletions import check_volumes
from zedops.fleet.fleet import Fleet, desired_server
from zedops.hub.snapshot import shipped_presets
from zedops.spec import preset
from zedops.spec.document import Document
from zedops.spec.layout import preset_path
from zedops.spec.model import Definition, definition_hash
from zedops.spec.preset import Preset
from zedops.spec.settings import Settings

ROOT = Path(__file__).parents[3]

#: What shapes the containers of presets that were shipped. Fleets out there run these: a change
#: here recreates their containers when zedops is upgraded. Make a preset of another name instead.
SHIPPED = {
    "factorio": "1:fc5113b983d2b894ad1b",
    "generic": "1:157a8e0afee41bc78980",
    "minecraft": "1:c220dfe2c3d3881b9a75",
    "project-zomboid": "1:27814630d6baf27767d6",
    "project-zomboid-renegademaster": "1:1403c572cc92a70eca06",
    "terraria": "1:7263377bd2cd989bd07f",
    "valheim": "1:65ee3e786b56588339e3",
}


def fleet_with(
    *documents: Document, defaults: dict[str, Any] | None = None, **own: str
) -> Fleet:
    """Put documents together with the shipped presets and some of the fleet's own."""
    settings = Settings(name="fleet", hosts=("local",), defaults=defaults or {})
    made = {name.replace("_", "-"): text for name, text in own.items()}
    presets = {name: preset.parse(preset_path(name), text.encode()) for name, text in made.items()}
    return replace(
        fleet_of(*documents, settings=settings), presets={**shipped_presets(), **presets}
    )


def resolved(fleet: Fleet, name: str = "a") -> Definition:
    """Resolve one server's definition."""
    definition, problems = fleet.resolve(fleet.documents[f"servers.d/{name}.yaml"])
    assert definition is not None, problems
    return definition


def problems_of(text: str, name: str = "mine") -> list[str]:
    """Say what is wrong with a preset."""
    return [str(each) for each in preset.parse(preset_path(name), text.encode()).problems]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_preset_never_changes_what_shapes_a_container(name: str) -> None:
    image = "image: any\n" if name == "generic" else ""
    fleet = fleet_with(doc("servers.d/a.yaml", f"game: {name}\n{image}"))
    assert definition_hash(resolved(fleet)) == SHIPPED[name]


def test_every_shipped_preset_is_known_here_and_has_no_problems() -> None:
    assert shipped_presets().keys() == SHIPPED.keys()
    assert [each.problems for each in shipped_presets().values() if each.problems] == []
    assert all(each.about.title for each in shipped_presets().values())


def test_a_game_is_all_that_a_definition_needs() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: project-zomboid\n"))
    assert check(fleet, fleet.documents) == []
    made = resolved(fleet)
    assert made.image == "indifferentbroccoli/projectzomboid-server-docker:latest"
    assert made.env["SERVER_NAME"] == "a"
    assert made.env["UDP_PORT"] == "16262"
    assert made.stop.grace == 120.0


def test_the_definition_wins_over_the_defaults_and_those_over_the_preset() -> None:
    fleet = fleet_with(
        doc("servers.d/a.yaml", "game: mine\nenv: {A: definition}\n"),
        defaults={"env": {"A": "defaults", "B": "defaults"}, "limits": {"pids": 99}},
        mine="image: x\nenv: {A: preset, B: preset, C: preset}\nlimits: {memory: 1GiB}\n",
    )
    made = resolved(fleet)
    assert made.env == {"A": "definition", "B": "defaults", "C": "preset"}
    assert (made.limits.pids, made.limits.memory) == (99, 1024**3)


def test_a_definition_without_a_preset_has_the_hash_that_it_had() -> None:
    text = "image: a\nports: {game: 16261/udp}\nenv: {A: b}\n"
    written = doc("servers.d/a.yaml", text)
    assert written.definition is not None
    assert definition_hash(resolved(fleet_with(written))) == definition_hash(written.definition)


def test_a_definition_that_says_the_same_as_a_preset_has_the_same_hash() -> None:
    fleet = fleet_with(
        doc("servers.d/a.yaml", "game: mine\n"), doc("servers.d/b.yaml", "image: x\nuser: '5'\n"),
        mine="image: x\nuser: '5'\n",
    )
    assert definition_hash(resolved(fleet, "a")) == definition_hash(resolved(fleet, "b"))


def test_a_port_of_the_definition_moves_what_the_preset_tells_the_game() -> None:
    text = "game: project-zomboid\nports: {game: 16300/udp, direct: 16301/udp}\n"
    made = resolved(fleet_with(doc("servers.d/a.yaml", text)))
    assert (made.env["DEFAULT_PORT"], made.env["UDP_PORT"]) == ("16300", "16301")
    assert made.ports["game"].container == 16300


def test_ports_of_a_preset_are_held_against_those_of_other_servers() -> None:
    fleet = fleet_with(
        doc("servers.d/a.yaml", "game: valheim\n"), doc("servers.d/b.yaml", "game: valheim\n")
    )
    found = [str(each) for each in check(fleet, {"servers.d/b.yaml"})]
    assert found == [
        ("servers.d/b.yaml:1:1: ports.game: host port 2456/udp is also used by 'a'"
        " (servers.d/a.yaml:1); choose another, e.g. 2458"),
        ("servers.d/b.yaml:1:1: ports.query: host port 2457/udp is also used by 'a'"
        " (servers.d/a.yaml:1); choose another, e.g. 2458"),
    ]


def test_an_unknown_game_is_met_with_the_nearest_known_one() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: mincraft\n"))
    assert [str(each) for each in check(fleet, fleet.documents)] == [
        "servers.d/a.yaml:1:1: game: there is no preset 'mincraft'; did you mean 'minecraft'?"
    ]


def test_a_preset_without_an_image_wants_one_from_the_definition() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: generic\n"))
    assert [str(each) for each in check(fleet, fleet.documents)] == [
        ("servers.d/a.yaml:1:1: image: is required;"
        " add it, or name a preset that has one in `game:`")
    ]


def test_a_fleets_own_preset_wins_over_a_shipped_one() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: minecraft\n"), minecraft="image: mine\n")
    assert resolved(fleet).image == "mine"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image: a b\n", ("1:1: image: 'a b' is not an image reference;"
                          " write e.g. ghcr.io/owner/name:tag, in lower case and without"
                          " https://")),
        ("imag: a\n", "1:1: imag: unknown key; did you mean 'image'?"),
        ("host: attic\n", "1:1: host: belongs to a single server; write it into the definitions"),
        ("preset: {least_grace: 90}\n", ("1:10: preset.least_grace: 90 is not a duration;"
                                         " write a number with a unit, e.g. 90s, 5m, 24h")),
        ("preset: Mine\n", ("1:1: preset: must be a mapping of keys to values;"
                            " write e.g. `title: …` below it")),
        ("- a\n", "1:1: not a mapping; write `image: …` and other keys"),
    ],
)  # fmt: skip
def test_a_wrong_preset_is_shown_its_place(text: str, problem: str) -> None:
    assert problems_of(text) == [f"presets.d/mine.yaml:{problem}"]


def test_a_wrong_name_of_a_preset_is_shown() -> None:
    assert problems_of("image: a\n", "My Game") == [
        ("presets.d/My Game.yaml: 'My Game' cannot be a preset's name;"
        " rename it: lower-case letters, digits, '-' and '_'")
    ]


def test_a_push_of_a_preset_is_checked_with_the_servers_that_use_it() -> None:
    users = (doc("servers.d/a.yaml", "game: mine\n"), doc("servers.d/b.yaml", "image: x\n"))
    fine = fleet_with(*users, mine="image: x\nports: {game: 5000/udp}\n")
    assert check(fine, {preset_path("mine")}) == []
    told = fleet_with(*users, mine="image: x\nenv: {A: '${ports.gone}'}\n")
    assert [each.path for each in check(told, {preset_path("mine")})] == ["servers.d/a.yaml"]
    broken = fleet_with(*users, mine="imag: x\n")
    assert {each.path for each in check(broken, {preset_path("mine")})} == {
        "presets.d/mine.yaml", "servers.d/a.yaml",
    }
    assert check(broken, {"servers.d/b.yaml"}) == []


def test_removing_a_preset_that_is_used_is_refused() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: mine\n"))
    assert [each.field for each in check(fleet, {preset_path("mine")})] == ["game"]


def test_a_preset_in_a_folder_is_told_where_to_go() -> None:
    assert [str(each) for each in check(fleet_with(), {"presets.d/games/mine.yaml"})] == [
        "presets.d/games/mine.yaml: is no place for a preset; move it to presets.d/mine.yaml"
    ]


def test_a_preset_that_drops_a_data_volume_is_refused_for_servers_with_data() -> None:
    each = doc("servers.d/a.yaml", "game: mine\n", running(1))
    before = fleet_with(each, mine="image: x\nvolumes: {world: /w}\n")
    after = fleet_with(each, mine="image: x\nvolumes: {other: /w}\n")
    assert [each.fact for each in check_volumes(before, after, ())] == [
        "the data volume 'world' would be left behind with its content"
    ]
    assert check_volumes(before, before, ()) == []


def test_the_preset_that_the_readme_shows_is_one() -> None:
    section = (ROOT / "README.md").read_text().partition("## Presets\n")[2]
    text = section.partition("```yaml\n")[2].partition("```")[0]
    assert "least_grace" in text
    assert problems_of(text) == []
    made = resolved(fleet_with(doc("servers.d/a.yaml", "game: mine\n"), mine=text))
    assert made.env == {"PORT": "27000"}


def test_a_comment_in_a_preset_changes_nothing() -> None:
    before = fleet_with(mine="image: x\n")
    assert fleet_with(mine="# mine\nimage: x   # still\n").presets_since(before) == set()
    assert fleet_with(mine="image: y\n").presets_since(before) == {"mine"}


def test_the_host_gets_the_resolved_definition() -> None:
    fleet = fleet_with(doc("servers.d/a.yaml", "game: minecraft\n", running(1)))
    want = desired_server(fleet, fleet.documents["servers.d/a.yaml"], "c")
    assert want is not None
    assert want.definition.image == "itzg/minecraft-server:latest"
    assert isinstance(fleet.presets["minecraft"], Preset)
