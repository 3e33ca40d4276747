"""`kill -9` between any two effects while a server is rebuilt from a registry's newest image.

One fleet for all of them: what a death leaves behind is where the next one begins.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests import registry as images
from tests.machine import Machine
from tests.system.deaths import (
    check_history,
    die_and_come_back,
    has_data,
    push_through,
    settled,
    state_of,
    world_of,
)

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(120)]

#: What a rebuild passes that has another cause than an update.
REBUILD = ("step.Pull", "step.StopContainer", "step.Create", "step.Start", "step.Remove")

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
    """Set up a fleet with a server that runs, and leave nobody to watch over it."""
    made = Machine(tmp_path_factory.mktemp("life"), docker_api, image)
    try:
        made.init()
        made.define("rebuilt", GREET="ada")
        path = made.clone / "servers.d/rebuilt.yaml"
        path.write_text(path.read_text().replace(image, tag))
        made.up()
        made.push("begin")
        made.wait_for(lambda: settled(made, "running", "rebuilt") and has_data(made, "rebuilt"))
        made.pull()
        made.down()
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def machine(living: Machine) -> Iterator[Machine]:
    """Lend the fleet to one test, which starts it with the death that it wants."""
    living.pull()
    yield living
    living.down(kill=True)


def ask_once(machine: Machine, name: str, key: str) -> str:
    """Ask for a restart or a rebuild by a token of its own; returns the token."""
    token = f"token-{next(_number)}"
    path = machine.clone / f"servers.d/{name}.yaml"
    lines = path.read_text().splitlines(keepends=True)
    kept = [each for each in lines if not each.startswith(f"{key}:")]
    path.write_text("".join([f"{key}: {token}\n", *kept]))
    return token


def containers_of(machine: Machine, server_id: str) -> list[dict[str, Any]]:
    """List every container of a server, running or not."""
    return [
        each for each in machine.containers() if each["Labels"]["zedops.server.id"] == server_id
    ]


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
    # it writes that down a moment after it runs
    machine.wait_for(lambda: world_of(machine, server_id) != world)
    assert world_of(machine, server_id) == world + "started greeting ada\n"
    if fault == "step.Remove":  # the previous container goes when this one has proven itself
        machine.wait_for(lambda: len(containers_of(machine, server_id)) == 1)
    check_history(machine)
