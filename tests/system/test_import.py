"""Containers and data that zedops did not make, or does not know any more, come into the fleet."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.machine import Machine, free_port

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture
def stranger(machine: Machine) -> Iterator[tuple[str, int, Path]]:
    """Somebody's container, as a person runs one by hand: a world, a port, a password."""
    world, port = machine.folder / "opt" / "pz", free_port()
    world.mkdir(parents=True)
    config = machine.api.create_host_config(
        binds=[f"{world}:/data"], port_bindings={"8080/tcp": port}, mem_limit=64 << 20
    )
    name = f"{machine.fleet}-by-hand"
    made = machine.api.create_container(
        machine.image, name=name, host_config=config, ports=[(8080, "tcp")],
        environment={"GREET": "ada", "ADMIN_PASSWORD": "correct horse"}, labels={"team": "red"},
    )["Id"]
    machine.api.start(made)
    assert machine.get(port) == "hello ada\n"
    yield name, port, world
    with contextlib.suppress(docker.errors.NotFound):
        machine.api.remove_container(made, force=True)


def begin(machine: Machine, *bind_roots: Path) -> None:
    """Begin a fleet on a host whose owner allows some places."""
    roots = json.dumps([str(each) for each in bind_roots])
    machine.policy.write_text(f"bind_roots: {roots}\nadopt: ['*-by-hand']\n")
    machine.init()
    machine.up()


def started(machine: Machine, name: str) -> tuple[str, str]:
    """Identify a container's run."""
    facts: dict[str, Any] = machine.api.inspect_container(name)
    return facts["Id"], facts["State"]["StartedAt"]


def test_a_container_that_runs_is_taken_over_as_it_is_and_then_lives_like_any_other(
    machine: Machine, stranger: tuple[str, int, Path]
) -> None:
    name, port, world = stranger
    begin(machine, world.parent)
    before = started(machine, name)
    said = machine.zedops("import", name, "--name", "rosewood", "--yes", "--wait")
    assert "looks like a secret" in said.stderr
    assert f"`adopt: [{name}]`; `bind_roots: [{world}]`" in said.stderr
    facts = machine.state("rosewood")
    assert facts["status"] == "running"
    assert facts["message"] == f"adopted: the container {name!r} goes on as it was"
    assert started(machine, name) == before
    assert machine.containers() == []  # it has no label, and none can be given to it
    secret = machine.data_root / "secrets" / machine.fleet / facts["id"] / "ADMIN_PASSWORD"
    assert secret.read_text() == "correct horse\n"
    assert "correct horse" not in machine.git("log", "-p", "--all", cwd=machine.hub)

    machine.api.stop(name, timeout=5)  # seen and healed like any other
    machine.wait_for(lambda: machine.api.inspect_container(name)["State"]["Running"])
    machine.wait_for(lambda: machine.state("rosewood")["status"] == "running")

    path = machine.clone / "servers.d/rosewood.yaml"
    machine.pull()
    path.write_text(path.read_text().replace('GREET: "ada"', "GREET: eve"))
    machine.push("rosewood: greet eve")
    assert machine.wait_for(lambda: machine.get(port) == "hello eve\n")
    container = machine.container("rosewood")
    assert container is not None
    assert "ADMIN_PASSWORD=correct horse" in container["Config"]["Env"]
    assert world.joinpath("world.txt").read_text().endswith("started greeting eve\n")

    machine.zedops("purge", "rosewood", "--data", "--confirm", "rosewood", "--wait")
    # a place of the person's own is not zedops' to remove
    assert world.joinpath("world.txt").exists()
    assert not world.joinpath(".zedops.json").exists()


def test_a_container_that_differs_or_whose_place_is_not_allowed_is_left_alone(
    machine: Machine, stranger: tuple[str, int, Path]
) -> None:
    name, _, world = stranger
    begin(machine)
    before = started(machine, name)
    machine.zedops("import", name, "--name", "rosewood", "--yes")
    machine.wait_for(lambda: machine.state("rosewood").get("status") == "failed")
    message = str(machine.state("rosewood")["message"])
    assert f"its owner can add `bind_roots: [{world}]` to {machine.policy}" in message
    assert not world.joinpath(".zedops.json").exists()

    machine.policy.write_text(f"bind_roots: [{world}]\nadopt: [{name}]\n")
    machine.pull()
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text(path.read_text().replace('GREET: "ada"', "GREET: eve"))
    said = machine.push("rosewood: not what it is")
    assert f"container {name!r} differs from the definition: env.GREET" in said
    assert started(machine, name) == before
    assert machine.containers() == []


def test_a_compose_file_becomes_definitions_and_its_container_is_adopted(
    machine: Machine, stranger: tuple[str, int, Path]
) -> None:
    name, _, world = stranger
    begin(machine, world)
    project = machine.folder / "project"
    project.mkdir()
    (project / ".env").write_text("PORT=25565\n")
    (project / "docker-compose.yml").write_text(f"""\
services:
  web: {{image: "{machine.image}", container_name: {name}}}
  mc:
    image: itzg/minecraft-server
    ports: ["${{PORT}}:25565", "127.0.0.1:25575:25575"]
    environment: {{EULA: "TRUE", RCON_PASSWORD: secret}}
    volumes: ["./data:/data", "mods:/mods"]
    depends_on: [web]
volumes: {{mods: }}
""")
    text = machine.zedops("import", str(project / "docker-compose.yml"), "--print").stdout
    assert f"adopt: {name}" in text
    assert f"data: {{path: /data, source: {project}/data}}" in text
    assert "mods: {path: /mods, source: project_mods}" in text
    assert 'depends_on: ["web"]' in text
    assert 'tcp25565: "25565:25565/tcp"' in text
    assert "secrets: [RCON_PASSWORD]" in text
    assert "secret\n" not in text
    machine.zedops(
        "import", str(project / "docker-compose.yml"), "--service", "web", "--yes", "--wait"
    )
    assert machine.state("web")["status"] == "running"


@pytest.fixture
def forgotten(machine: Machine) -> tuple[Machine, str]:
    """A server whose file was let go of while its host kept container and data."""
    begin(machine)
    machine.define("rosewood", free_port(), GREET="ada")
    machine.push("rosewood: begin")
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    server_id: str = machine.state("rosewood")["id"]
    machine.zedops("delete", "rosewood", "--yes", "--wait")
    machine.zedops("purge", "rosewood", "--yes")
    machine.wait_for(lambda: machine.state("rosewood") == {})
    return machine, server_id


def orphans(machine: Machine) -> list[dict[str, Any]]:
    """List orphans."""
    found: list[dict[str, Any]] = json.loads(machine.zedops("orphans", "--json").stdout)
    return found


def test_data_that_nothing_leads_to_is_an_orphan_and_comes_back_from_the_history(
    forgotten: tuple[Machine, str],
) -> None:
    machine, server_id = forgotten
    (orphan,) = orphans(machine)
    assert (orphan["id"], orphan["name"], orphan["data_exists"]) == (server_id, "rosewood", True)
    machine.zedops("orphans", "--adopt", "rosewood", "--yes", "--wait")
    facts = machine.state("rosewood")
    assert (facts["id"], facts["status"]) == (server_id, "running")
    assert machine.wait_world("rosewood", 2) == "started greeting ada\n" * 2
    assert orphans(machine) == []


def test_an_orphan_is_removed_by_a_commit_and_its_data_only_if_that_is_asked_for(
    forgotten: tuple[Machine, str],
) -> None:
    machine, server_id = forgotten
    home = machine.data_root / "servers" / server_id
    said = machine.zedops("orphans", "--remove", "rosewood", "--yes", code=2).stderr
    assert "--data removes its data" in said
    machine.zedops("orphans", "--remove", server_id, "--data", "--yes", "--wait")
    machine.wait_for(lambda: not home.exists())
    assert orphans(machine) == []
    assert any("rosewood: remove an orphan" in each for each in machine.subjects())


def test_a_container_that_only_the_host_knows_is_adopted_with_its_world(machine: Machine) -> None:
    begin(machine)
    port = free_port()
    machine.define("rosewood", port, GREET="ada")
    machine.push("rosewood: begin")
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    before = machine.state("rosewood")["id"]
    machine.down()
    lost = Machine(machine.folder / "lost", machine.api, machine.image)
    lost.folder.mkdir()
    lost.fleet, lost.data_root = machine.fleet, machine.data_root
    lost.clone, lost.hub = lost.folder / lost.fleet, lost.folder / f"{lost.fleet}.git"
    try:
        begin(lost)  # a new hub under the old name: the old one is lost
        (orphan,) = orphans(lost)
        assert (orphan["id"], orphan["running"]) == (before, True)
        lost.zedops("orphans", "--adopt", "rosewood", "--yes", "--wait")
        assert lost.get(port) == "hello ada\n"
        assert lost.world("rosewood").startswith("started greeting ada\n")
        assert lost.state("rosewood")["id"] == before
        lost.wait_for(lambda: len(lost.containers()) == 1)  # the new one has proven itself
    finally:
        lost.tear_down()
