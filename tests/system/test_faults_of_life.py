"""`kill -9` between any two effects while a server is adopted, restarted, rebuilt or renamed.

One fleet for all of them: what a death leaves behind is where the next one begins.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests import registry as images
from tests.machine import Machine
from tests.system.deaths import (
    Life,
    check_history,
    die_and_come_back,
    documents,
    has_data,
    push_through,
    settled,
    state_of,
    world_of,
)

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(120)]

#: What a push that edits a file passes; how the gate dies is seen with updates.
COMMON = ("hub.written", "hub.moved", "manager.published", "store.desired")
ADOPT = (*COMMON, "adopt.marked", "store.memory", "step.Adopt")
RESTART = (*COMMON, "store.memory", "restart.stopped", "step.Restart")
REBUILD = ("manager.published", "step.Pull", "step.MakeData", "step.StopContainer", "step.Rename",
           "step.Create", "step.Start", "step.Remove")  # fmt: skip
#: A rename is the one that the gate and the hub have most to do with.
RENAME = ("gate.checked", "gate.written", "gate.moved", *COMMON, "step.Rename")

_number = itertools.count(1)


@pytest.fixture(scope="module")
def tag(docker_api: docker.APIClient, image: str, registry: str) -> Iterator[str]:
    """Publish the test image under a tag that can move."""
    name = f"{registry}/zedops-test-{uuid.uuid4().hex[:8]}"
    images.publish(docker_api, image, name)
    yield f"{name}:1"
    images.forget(docker_api, name)


@pytest.fixture(scope="module")
def living(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str, tag: str
) -> Iterator[Machine]:
    """Set up a fleet of three servers that run, and leave nobody to watch over them."""
    made = Machine(tmp_path_factory.mktemp("life"), docker_api, image)
    names = ("restarted", "renamed", "rebuilt")
    try:
        made.policy.write_text(f"bind_roots: [{made.folder}]\n")
        made.init()
        for name in names:
            made.define(name, GREET="ada")
        path = made.clone / "servers.d/rebuilt.yaml"
        path.write_text(path.read_text().replace(image, tag))
        made.up()
        made.push("begin")
        made.wait_for(lambda: all(has_data(made, each) for each in names))
        made.pull()
        made.down()
        yield made
    finally:
        made.tear_down()
        for each in docker_api.containers(all=True, filters={"name": f"{made.fleet}-by-hand"}):
            docker_api.remove_container(each["Id"], force=True, v=True)


@pytest.fixture
def machine(living: Machine) -> Iterator[Machine]:
    """Lend the fleet to one test, which starts it with the death that it wants."""
    living.pull()
    yield living
    living.down(kill=True)


@pytest.fixture
def stranger(machine: Machine) -> tuple[str, Path]:
    """Run a container by hand, with a world and a password; it goes with the fleet."""
    name = f"{machine.fleet}-by-hand-{next(_number)}"
    world = machine.folder / name
    world.mkdir()
    made = machine.api.create_container(
        machine.image, name=name, environment={"GREET": "ada", "ADMIN_PASSWORD": "correct horse"},
        host_config=machine.api.create_host_config(binds=[f"{world}:/data"]),
    )["Id"]
    machine.api.start(made)
    machine.wait_for(world.joinpath("world.txt").exists)
    return name, world


def ask_once(machine: Machine, name: str, key: str) -> str:
    """Ask for a restart or a rebuild by a token of its own; returns the token."""
    token = f"token-{next(_number)}"
    path = machine.clone / f"servers.d/{name}.yaml"
    lines = path.read_text().splitlines(keepends=True)
    kept = [each for each in lines if not each.startswith(f"{key}:")]
    path.write_text("".join([f"{key}: {token}\n", *kept]))
    return token


def memory(machine: Machine, server_id: str) -> dict[str, Any]:
    """Read what the agent remembers of a server."""
    path = machine.data_root / "agent" / machine.fleet / "memory" / f"{server_id}.json"
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def containers_of(machine: Machine, server_id: str) -> list[dict[str, Any]]:
    """List every container of a server, running or not."""
    return [
        each for each in machine.containers() if each["Labels"]["zedops.server.id"] == server_id
    ]


@pytest.mark.parametrize("fault", ADOPT)
def test_an_adoption_survives_a_kill_at(
    fault: str, machine: Machine, stranger: tuple[str, Path]
) -> None:
    container, world = stranger
    before = Life.of(machine, container)
    name = container.removeprefix(f"{machine.fleet}-")
    machine.up(fault)
    machine.write(f"servers.d/{name}.yaml", f"""\
image: {machine.image}
adopt: {container}
env: {{GREET: ada}}
secrets: [ADMIN_PASSWORD]
stop: {{grace: 5s}}
volumes: {{world: {{path: /data, source: {world}}}}}
""")
    push_through(machine, f"{name}: adopt")
    die_and_come_back(machine)
    machine.wait_for(lambda: settled(machine, "running", name))
    state = state_of(machine, name)
    assert Life.of(machine, container) == before
    assert before.container[:12] == state.container
    assert containers_of(machine, state.id) == []
    assert world.joinpath("world.txt").read_text() == "started greeting ada\n"
    secret = machine.data_root / "secrets" / machine.fleet / name / "ADMIN_PASSWORD"
    assert secret.read_text() == "correct horse\n"
    check_history(machine)


@pytest.mark.parametrize("fault", RESTART)
def test_a_restart_survives_a_kill_and_happens_once_at(fault: str, machine: Machine) -> None:
    before = Life.of(machine, f"{machine.fleet}-restarted")
    server_id = state_of(machine, "restarted").id
    world = world_of(machine, server_id)
    machine.up(fault)
    token = ask_once(machine, "restarted", "restart")
    push_through(machine, "restarted: once")
    die_and_come_back(machine)
    machine.wait_for(lambda: memory(machine, server_id)["restart"] == token)
    machine.wait_for(lambda: settled(machine, "running", "restarted"))
    after = Life.of(machine, f"{machine.fleet}-restarted")
    assert after.container == before.container
    assert after.started_at > before.started_at
    assert world_of(machine, server_id) == world + "started greeting ada\n"
    assert len(containers_of(machine, server_id)) == 1
    check_history(machine)


@pytest.mark.parametrize("fault", REBUILD)
def test_a_rebuild_survives_a_kill_at(fault: str, machine: Machine, tag: str) -> None:
    server_id = state_of(machine, "rebuilt").id
    world = world_of(machine, server_id)
    newer = images.changed(machine.api, machine.image, f"LABEL v={next(_number)}")
    images.publish(machine.api, newer, tag.removesuffix(":1"))
    machine.up(fault)
    token = ask_once(machine, "rebuilt", "rebuild")
    push_through(machine, "rebuilt: newest")
    die_and_come_back(machine)

    def is_rebuilt() -> bool:
        ups = [each for each in containers_of(machine, server_id) if each["State"] == "running"]
        return [each["Labels"]["zedops.rebuild"] for each in ups] == [token]

    machine.wait_for(is_rebuilt)
    container = machine.container("rebuilt")
    assert container is not None
    assert container["Image"] == newer
    machine.wait_for(lambda: state_of(machine, "rebuilt").container == container["Id"][:12])
    machine.wait_for(lambda: settled(machine, "running", "rebuilt"))
    assert world_of(machine, server_id) == world + "started greeting ada\n"
    if fault == "step.Remove":  # the previous container goes when this one has proven itself
        machine.wait_for(lambda: len(containers_of(machine, server_id)) == 1)
    check_history(machine)


@pytest.mark.parametrize("fault", RENAME)
def test_a_rename_survives_a_kill_at(fault: str, machine: Machine) -> None:
    old = next(each.stem for each in machine.clone.glob("servers.d/renamed*.yaml"))
    new, before = f"renamed-{next(_number)}", Life.of(machine, f"{machine.fleet}-{old}")
    server_id = state_of(machine, old).id
    world = world_of(machine, server_id)
    machine.up(fault)
    machine.git("mv", f"servers.d/{old}.yaml", f"servers.d/{new}.yaml")
    push_through(machine, f"{old}: now {new}")
    die_and_come_back(machine)
    machine.wait_for(lambda: machine.container(new))
    machine.wait_for(lambda: settled(machine, "running", new))
    assert Life.of(machine, f"{machine.fleet}-{new}") == before
    assert old not in documents(machine)
    assert state_of(machine, new).id == server_id
    assert world_of(machine, server_id) == world
    assert len(containers_of(machine, server_id)) == 1
    check_history(machine)
