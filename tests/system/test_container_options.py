"""What a container was made with by hand is still there after its first edit in the fleet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.machine import Machine
from tests.system import servers

pytestmark = [pytest.mark.docker, pytest.mark.system]
SUBNET = "10.213.77"


@pytest.fixture
def networks(machine: Machine) -> Iterator[tuple[str, str]]:
    """Make two networks, one with fixed addresses."""
    names = f"{machine.fleet}-one", f"{machine.fleet}-two"
    pool = docker.types.IPAMPool(subnet=f"{SUBNET}.0/24")
    machine.api.create_network(names[0], ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    machine.api.create_network(names[1])
    yield names
    machine.tear_down()
    for each in names:
        with contextlib.suppress(docker.errors.NotFound):
            machine.api.remove_network(each)


def shape(facts: dict[str, Any]) -> dict[str, Any]:
    """Pick what must not get lost, as the Engine shows it."""
    host, config = facts["HostConfig"], facts["Config"]
    networks = facts["NetworkSettings"]["Networks"]
    return {
        "tty": config["Tty"], "stdin": config["OpenStdin"], "workdir": config["WorkingDir"],
        "entrypoint": config["Entrypoint"], "ulimits": host["Ulimits"], "shm": host["ShmSize"],
        "groups": host["GroupAdd"], "hosts": host["ExtraHosts"], "dns": host["Dns"],
        "tmpfs": host["Tmpfs"], "sysctls": host["Sysctls"], "dropped": host["CapDrop"],
        "addresses": {name: (each["IPAMConfig"] or {}).get("IPv4Address")
                      for name, each in networks.items()},
        "alias": "db" in (networks[min(networks)]["Aliases"] or []),
    }


def test_a_container_keeps_all_it_was_made_with_when_it_is_edited(
    machine: Machine, networks: tuple[str, str]
) -> None:
    one, two = networks
    name = f"{machine.fleet}-by-hand"
    machine.policy.write_text(f"networks: ['{machine.fleet}-*']\nadopt: ['*-by-hand']\n")
    api = machine.api
    place = api.create_endpoint_config(ipv4_address=f"{SUBNET}.9", aliases=["db"])
    made = api.create_container(
        machine.image, name=name, tty=True, stdin_open=True, working_dir="/tmp",  # noqa: S108
        entrypoint=["/bin/busybox"], command=["sh", "-c", servers.LOOP], environment={"A": "1"},
        networking_config={"EndpointsConfig": {one: place}},
        host_config=api.create_host_config(
            network_mode=one, shm_size=128 << 20, group_add=["44"], dns=["192.0.2.53"],
            extra_hosts={"lan": "192.0.2.7"}, tmpfs={"/scratch": "size=1m"}, cap_drop=["NET_RAW"],
            ulimits=[docker.types.Ulimit(name="nofile", soft=512, hard=1024)],
            sysctls={"net.core.somaxconn": "512"},
        ),
    )["Id"]
    api.connect_container_to_network(made, two)
    api.start(made)
    before = shape(api.inspect_container(made))
    assert (before["addresses"][one], before["alias"]) == (f"{SUBNET}.9", True)

    machine.init()
    machine.up()
    try:
        machine.zedops("import", name, "--name", "rosewood", "--yes", "--wait")
        assert api.inspect_container(made)["State"]["Running"]
        machine.pull()
        path = machine.clone / "servers.d/rosewood.yaml"
        path.write_text(path.read_text().replace('A: "1"', 'A: "2"'))
        assert machine.push("rosewood: edit")
        facts = machine.wait_for(lambda: machine.container("rosewood"))
        assert facts is not None
        assert facts["Id"] != made
        assert "A=2" in facts["Config"]["Env"]
        assert shape(facts) == before
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            api.remove_container(made, force=True)


def test_servers_of_one_network_find_each_other_and_ranges_and_limits_hold(
    machine: Machine, networks: tuple[str, str]
) -> None:
    _, two = networks
    machine.policy.write_text(f"networks: ['{machine.fleet}-*']\n")
    machine.init()
    machine.up()
    servers.begin(machine, "db", f"networks: [{two}]")
    look = "until /bin/busybox nslookup db 127.0.0.11 >/data/found; do :; done"
    servers.begin(
        machine, "game", f"networks: [{two}]", "tty: true", "init: false", "read_only: true",
        "tmpfs: [/scratch]", "ulimits: {nofile: 777}", "shm_size: 32MiB",
        servers.command(f"{look}; ulimit -n >/data/limit; {servers.LOOP}"),
    )
    found = servers.home(machine, "game") / "w" / "limit"
    machine.wait_for(lambda: found.exists() and found.read_text())
    assert found.read_text().strip() == "777"
    facts = machine.container("game")
    assert facts is not None
    host = facts["HostConfig"]
    assert (host["Init"], host["ReadonlyRootfs"], host["ShmSize"]) == (False, True, 32 << 20)
    assert facts["Config"]["Tty"]
