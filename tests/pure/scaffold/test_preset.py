"""A definition to begin with: what `zedops new --game` writes."""

from __future__ import annotations

import pytest

from tests.pure.fleets import doc
from tests.pure.spec.test_presets import fleet_with, resolved
from zedops.fleet.checks import check
from zedops.fleet.ports import free_set
from zedops.hub.snapshot import shipped_presets
from zedops.scaffold.preset import ports_of, write_start
from zedops.spec import preset, state_block
from zedops.spec.layout import preset_path
from zedops.spec.port import Publish
from zedops.spec.preset import Preset


def free_for(made: Preset, *taken: tuple[str, int]) -> dict[str, int]:
    """Find free ports for a preset as the command does."""
    return free_set(taken, ports_of(made))


def preset_of(text: str) -> Preset:
    """Read a preset of the fleet's own."""
    made = preset.parse(preset_path("mine"), text.encode())
    assert made.problems == ()
    return made


def test_the_text_is_commented_and_names_free_ports_side_by_side() -> None:
    zomboid = shipped_presets()["project-zomboid"]
    ports = free_for(zomboid, ("udp", 16261), ("udp", 16263))
    assert write_start("rosewood", zomboid, ports) == """\
# Project Zomboid. All its values: zedops show rosewood --resolved
game: project-zomboid
ports:                        # free when this was written
  game: 16264/udp
  direct: 16265/udp
# It needs secrets: ADMIN_PASSWORD, RCON_PASSWORD. Their values live on its host, never in
# git: `zedops secret set rosewood NAME` on its host sets one.
# From the preset; remove the # to change it:
# image: indifferentbroccoli/projectzomboid-server-docker:latest
# limits: {memory: 6GiB}
# stop: {grace: 120s}
"""


def test_what_a_person_must_decide_is_written_out() -> None:
    minecraft = shipped_presets()["minecraft"]
    text = write_start("a", minecraft, {"game": 25570}, host="attic", env={"MOTD": "it's on"})
    assert text.splitlines()[1:8] == [
        "game: minecraft",
        "host: attic",
        "ports:                        # free when this was written",
        '  game: "25570:25565/tcp"',
        "env:",
        '  EULA: "TRUE"                # you accept https://aka.ms/MinecraftEULA',
        '  MOTD: "it\'s on"',
    ]
    assert "EULA: \"FALSE\"" in write_start("a", minecraft, {}, env={"EULA": "FALSE"})


@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_what_is_written_has_no_problems_and_leads_to_the_ports_that_were_free(name: str) -> None:
    made = shipped_presets()[name]
    image = None if "image" in made.data else "any"
    other = doc("servers.d/b.yaml", f"game: {name}\nimage: any\n")
    taken = [(each.protocol, each.host) for each in ports_of(made).values()]
    ports = free_for(made, *taken)
    text = write_start("a", made, ports, image=image)
    fleet = fleet_with(other, doc("servers.d/a.yaml", text))
    assert state_block.split(text)[0] == text
    assert check(fleet, fleet.documents) == []
    got = {key: each for key, each in resolved(fleet).ports.items()
           if each.publish is not Publish.NONE}
    assert {key: each.host for key, each in got.items()} == ports
    assert not {(each.protocol, each.host) for each in got.values()} & set(taken)


@pytest.mark.parametrize("name", ["project-zomboid", "valheim", "factorio"])
def test_a_game_that_announces_its_ports_listens_on_those_that_people_reach(name: str) -> None:
    made = shipped_presets()[name]
    ports = free_for(made, *[("udp", each.host) for each in ports_of(made).values()])
    fleet = fleet_with(doc("servers.d/a.yaml", write_start("a", made, ports)))
    for key in ports:
        port = resolved(fleet).ports[key]
        assert port.host == port.container == ports[key] != ports_of(made)[key].host
    assert str(ports["game"]) in resolved(fleet).env.values()


def test_a_port_for_this_host_alone_stays_so() -> None:
    made = preset_of("image: x\nports: {web: {container: 80/tcp, publish: loopback}}\n")
    text = write_start("a", made, {"web": 8080})
    assert "  web: {container: 80/tcp, host: 8080, publish: loopback}\n" in text
    fleet = fleet_with(doc("servers.d/a.yaml", text), mine="image: x\n")
    assert resolved(fleet).ports["web"].publish is Publish.LOOPBACK
