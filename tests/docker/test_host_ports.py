"""Ports that others on the host hold: found before anything is taken down, with who has them."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator

import docker
import pytest

from tests.docker.host import Host
from tests.machine import free_port
from zedops.protocol.requests import PortsReply, PortsRequest, PortUse
from zedops.protocol.sync import Goal
from zedops_agent.engine.claims import Claims
from zedops_agent.engine.connection import EngineConnection
from zedops_agent.observed import FLEET

pytestmark = pytest.mark.docker


@pytest.fixture
def stranger(docker_api: docker.APIClient, image: str) -> Iterator[tuple[str, int]]:
    """Somebody else's container with a port, made and not running."""
    port = free_port()
    config = docker_api.create_host_config(port_bindings={"8080/tcp": port})
    made = docker_api.create_container(image, ports=[(8080, "tcp")], host_config=config)["Id"]
    yield made, port
    docker_api.remove_container(made, force=True)


def uses(host: Host, port: int) -> list[PortUse]:
    """Ask the host who has a port."""
    assert host.agent is not None
    reply = host.agent.call(PortsRequest())
    assert isinstance(reply, PortsReply)
    return [each for each in reply.uses if each.port == port]


def test_a_port_that_a_process_holds_is_refused_with_its_name(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        server = host.want("rosewood", f"ports: {{web: '{port}:8080'}}\n")
        report = host.wait(server, lambda each: each.failure)
        (use,) = uses(host, port)
    assert f"ports.web: host port {port}/tcp is taken by process " in str(report.failure)
    assert f"({os.getpid()}); free it, or choose another, e.g. " in str(report.failure)
    assert use.address == "127.0.0.1"
    assert host.containers() == []


def test_a_stopped_containers_port_counts_and_a_running_one_is_asked_before_any_stop(
    host: Host, stranger: tuple[str, int]
) -> None:
    other, port = stranger
    server = host.want("rosewood")
    host.wait_running(server)
    begun = host.container("rosewood")["State"]["StartedAt"]
    host.want("rosewood", f"ports: {{web: '{port}:8080'}}\n")
    report = host.wait(server, lambda each: each.failure)
    assert f"host port {port}/tcp is taken by container" in str(report.failure)
    assert "(stopped)" in str(report.failure)
    host.api.start(other)
    (use,) = uses(host, port)
    assert use.active
    assert "process" not in use.holder  # the Engine's proxy is not the one to be named
    assert host.container("rosewood")["State"]["StartedAt"] == begun


def test_a_port_that_is_only_wanted_by_a_stopped_container_does_not_stop_a_recovery(
    host: Host, stranger: tuple[str, int]
) -> None:
    other, port = stranger
    text = f"ports: {{web: '{port}:8080'}}\n"
    server = host.want("rosewood", text, created=True)
    assert "recovered" in str(host.wait_running(server).note)
    with pytest.raises(docker.errors.APIError):
        host.api.start(other)


def test_a_server_that_has_its_port_is_changed_whoever_wants_that_port_besides(
    host: Host, stranger: tuple[str, int]
) -> None:
    _, port = stranger
    text = f"ports: {{web: '{port}:8080'}}\n"
    host.wait_running(host.want("rosewood", text, created=True))
    before = host.container("rosewood")["Id"]
    changed = host.want("rosewood", f"{text}env: {{GREET: eve}}\n", commit="edit")
    host.wait(changed, lambda each: each.about == "edit" and each.applied)
    assert host.container("rosewood")["Id"] != before
    assert "GREET=eve" in host.container("rosewood")["Config"]["Env"]


def test_three_servers_pass_their_ports_on_in_one_document(host: Host) -> None:
    ports = [free_port() for _ in range(3)]
    servers = [
        host.want(f"s{at}", f"ports: {{game: '{port}:9000'}}\nstop: {{grace: 3s}}\n")
        for at, port in enumerate(ports)
    ]
    for each in servers:
        host.wait_running(each)
    seen = len(host.reports)
    host.pass_on({f"s{at}": ports[(at + 1) % 3] for at in range(3)})
    for each in servers:
        host.wait(each, lambda each: each.applied and each.about == "passed", seen)
    assert not [each.failure for each in host.reports[seen:] if each.failure]
    for at in range(3):
        bound = host.container(f"s{at}")["NetworkSettings"]["Ports"]["9000/tcp"]
        assert {int(each["HostPort"]) for each in bound} == {ports[(at + 1) % 3]}


def test_a_port_of_a_server_that_is_deleted_goes_to_the_new_one(host: Host) -> None:
    text = f"ports: {{game: '{free_port()}:9000'}}\nstop: {{grace: 3s}}\n"
    host.wait_running(host.want("before", text))
    seen = len(host.reports)
    host.want("before", text, goal=Goal.DELETED)
    after = host.want("after", text)
    host.wait_running(after, seen)
    assert not [each.failure for each in host.reports[seen:] if each.failure]


def test_two_servers_swap_their_names(host: Host) -> None:
    one, two = host.want("rosewood"), host.want("muldraugh")
    host.wait_running(one)
    host.wait_running(two)
    before = {name: host.container(name)["Id"] for name in ("rosewood", "muldraugh")}
    host.swap("rosewood", "muldraugh")
    host.until(lambda: host.container("rosewood")["Id"] == before["muldraugh"])
    host.until(lambda: host.container("muldraugh")["Id"] == before["rosewood"])
    assert len(host.containers()) == 2


def test_a_list_knows_what_is_being_made_before_its_creation_answers(
    docker_api: docker.APIClient, image: str
) -> None:
    fleet, claims = f"t{uuid.uuid4().hex[:8]}", Claims(EngineConnection())
    config = docker_api.create_host_config(port_bindings={"8080/tcp": (port := free_port())})

    def listed() -> list[int]:
        return [host for each in claims.listed(fleet, 0.0).all if each.name == fleet
                for _, host, _, _ in each.ports]

    with claims.making(fleet, config) as known:
        # here it has no port: what a list says of it is what was noted, and no inspection
        made = docker_api.create_container(image, name=fleet, labels={FLEET: fleet})["Id"]
        try:
            assert listed() == [port]
            known(made)
        finally:
            docker_api.remove_container(made, force=True)
    assert listed() == []
