"""Two fleets with one name on one Engine: neither touches what is the other's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.host import Host
from zedops.protocol.requests import InventoryReply, InventoryRequest
from zedops_agent.observed import HUB

pytestmark = pytest.mark.docker


@pytest.fixture
def other(host: Host, tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "other", host.api, host.image, host.fleet)
    made.root.mkdir()
    made.hub = "b" * 16
    made.start()
    yield made
    made.tear_down()


def owned(host: Host) -> set[str]:
    """Name the containers that an agent says are its fleet's."""
    assert host.agent is not None
    reply = host.agent.call(InventoryRequest())
    assert isinstance(reply, InventoryReply)
    return {each.container for each in reply.belongings if each.container}


@pytest.mark.parametrize("hub", [None, "a" * 16])
def test_a_fleet_of_the_same_name_is_refused_and_nothing_of_the_first_is_touched(
    host: Host, other: Host, hub: str | None
) -> None:
    host.hub = hub
    host.wait_running(host.want("rosewood"))
    first = host.container("rosewood")
    assert first["Config"]["Labels"].get(HUB) == hub
    mine = other.want("rosewood")
    said = other.wait(mine, lambda each: each.failure).failure
    assert said is not None
    assert f"is of another fleet that is called {host.fleet!r}, too" in said
    now = host.container("rosewood")
    assert (now["Id"], now["State"]["StartedAt"]) == (first["Id"], first["State"]["StartedAt"])
    assert owned(host) == {f"{host.fleet}-rosewood"}
    assert owned(other) == set()
    other.wait_running(other.want("muldraugh"))
    assert owned(other) == {f"{host.fleet}-muldraugh"}
    assert owned(host) == {f"{host.fleet}-rosewood"}


def test_an_agent_that_lost_its_memory_knows_its_containers_by_the_hub(host: Host) -> None:
    host.hub = "a" * 16
    host.wait_running(host.want("rosewood"))
    host.stop()
    shutil.rmtree(host.root / "agent")
    shutil.rmtree(host.root / "servers")
    host._servers.clear()
    host.start()
    host.until(lambda: host.agent and host.agent.standing().manager_answers)
    assert owned(host) == {f"{host.fleet}-rosewood"}


def test_an_upgrade_makes_no_container_again(host: Host) -> None:
    server = host.want("rosewood")
    host.wait_running(server)
    before = host.container("rosewood")
    host.stop()
    host.hub = "a" * 16
    host.start()
    host.wait_running(server, after=len(host.reports))
    now = host.container("rosewood")
    assert (now["Id"], now["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
