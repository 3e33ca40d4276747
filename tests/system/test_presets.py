"""Presets through real pushes: a game is named, the fleet changes its own preset, one is wrong."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.machine import Machine, became, free_port
from tests.system.servers import runs, starts

pytestmark = [pytest.mark.docker, pytest.mark.system]


def preset_of(machine: Machine, *lines: str) -> str:
    """Write the text of a preset with the usual image and a world."""
    text = [f"image: {machine.image}", "stop: {grace: 5s}", "volumes: {w: /data}", *lines]
    return "\n".join(text) + "\n"


def test_a_change_of_a_fleets_preset_touches_the_servers_that_use_it(fleet: Machine) -> None:
    fleet.write("presets.d/greeter.yaml", preset_of(fleet, "env: {GREET: ada}"))
    fleet.write("servers.d/one.yaml", "game: greeter\n")
    fleet.write("servers.d/two.yaml", "game: greeter\nenv: {GREET: ben}\n")
    said = fleet.push("two of a kind")
    assert became(said, "one", "running"), said
    one, two = runs(fleet, "one"), runs(fleet, "two")
    facts = fleet.container("one")
    assert facts is not None
    assert "GREET=ada" in facts["Config"]["Env"]
    fleet.pull()

    fleet.write("presets.d/greeter.yaml", preset_of(fleet, "env: {GREET: eve}"))
    said = fleet.push("another greeting")
    assert "remote: one" in said, said
    fleet.wait_for(lambda: starts(fleet, "one") == 2)
    assert runs(fleet, "one") != one
    assert runs(fleet, "two") == two

    fleet.pull()
    fleet.write("presets.d/greeter.yaml", preset_of(fleet, "env: {GREET: '${ports.none}'}"))
    fleet.git("commit", "--quiet", "--all", "-m", "a mistake")
    said = fleet.git("push", code=1)
    assert "servers.d/one.yaml:1:1: env.GREET: ${ports.none} stands for nothing" in said
    assert "servers.d/two.yaml" not in said
    fleet.git("reset", "--quiet", "--hard", "origin/main")
    fleet.git("rm", "--quiet", "presets.d/greeter.yaml")
    fleet.git("commit", "--quiet", "-m", "not needed, is it?")
    said = fleet.git("push", code=1)
    assert "servers.d/one.yaml:1:1: game: there is no preset 'greeter'" in said
    fleet.git("reset", "--quiet", "--hard", "origin/main")


def test_new_writes_a_definition_with_free_ports_and_show_tells_where_it_came_from(
    fleet: Machine,
) -> None:
    fleet.pull()
    first, second = free_port(), free_port()
    fleet.write("servers.d/holder.yaml", f'image: {fleet.image}\nports: {{web: "{first}:1"}}\n'
                                         "desired: stopped\n")
    fleet.write("presets.d/web.yaml", preset_of(fleet, f'ports: {{web: "{first}:8080"}}'))
    fleet.push("a preset and somebody on its port")
    fleet.pull()
    printed = fleet.zedops("new", "page", "--game", "web", "--print").stdout
    fleet.zedops("schema", "--write")
    pointed = fleet.zedops("new", "page", "--game", "web", "--print").stdout
    assert pointed == f"# yaml-language-server: $schema=../schemas/definition.json\n{printed}"
    shutil.rmtree(fleet.clone / "schemas")
    assert printed.startswith("# web. All its values: zedops show page --resolved\ngame: web\n")
    assert not (fleet.clone / "servers.d/page.yaml").exists()

    done = fleet.zedops("new", "page", "--game", "web", "-e", f"GREET=port {second}", "--wait")
    assert "page running" in done.stdout
    fleet.pull()
    ports = fleet.state("page")["ports"]
    assert ports != [f"{first}/tcp"]
    assert f"hello port {second}" in fleet.get(int(ports[0].removesuffix("/tcp")))
    shown = fleet.zedops("show", "page", "--resolved").stdout
    assert f"image: {fleet.image}" in shown
    assert "# preset web (presets.d/web.yaml)" in shown
    assert "  GREET: " in shown
    rows = json.loads(fleet.zedops("show", "page", "--resolved", "--json").stdout)
    assert {"field": "game", "value": "web", "origin": "page.yaml:2"} in rows
    assert "known: " in fleet.zedops("new", "x", "--game", "doom", code=2).stderr
    assert "--game minecraft, say, or --image" in fleet.zedops("new", "x", code=2).stderr
