"""`kill -9` at every point between two effects of a server's life: it always converges."""

from __future__ import annotations

import pytest

from tests.machine import Machine, free_port
from zedops import faults

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(120)]

CREATE = ("step.Pull", "step.MakeData", "step.Create", "step.Start")
UPDATE = ("step.Pull", "step.MakeData", "step.StopContainer", "step.Rename", "step.Create",
          "step.Start")  # fmt: skip
END = ("step.StopContainer", "step.Remove")
PURGE = (*END, "step.RemoveData")


def of_push(*steps: str) -> tuple[str, ...]:
    """Every point that a pushed change passes."""
    return (*faults.POINTS, *steps)


def push_through(machine: Machine, message: str) -> None:
    """Push until it is in: a push that was cut off may or may not have been taken."""
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", message)
    machine.git("push", code=None)


def die_and_come_back(machine: Machine) -> None:
    """Wait for the death that was asked for, then start again and push what may be missing."""
    machine.wait_for(lambda: machine.died)
    machine.down(kill=True)
    machine.up()
    machine.git("push", code=None)
    machine.git("pull", "--quiet")


def settled(machine: Machine, status: str) -> bool:
    """Say whether the only server is where it should be, with everything in git."""
    return machine.state("rosewood").get("status") == status


def begin(machine: Machine, fault: str, *, first: bool) -> int:
    """Set up a fleet; with a running server unless that is what is to be killed."""
    port = free_port()
    machine.init()
    if not first:
        machine.up()
        machine.define("rosewood", port, GREET="ada")
        machine.push("rosewood: begin")
        machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
        machine.pull()
        machine.down()
    machine.up(fault)
    return port


def check_whole(machine: Machine) -> None:
    """No second container, no broken history, no second birth."""
    assert len(machine.containers(everything=False)) <= 1
    machine.git("fsck", "--strict", cwd=machine.hub)
    born = machine.git("log", "--format=%B", "--author=zedops", "main", cwd=machine.hub)
    ids = {line.split()[-1] for line in born.splitlines() if line.startswith("Zedops-Server")}
    assert len(ids) <= 1, ids


@pytest.mark.parametrize("fault", of_push(*CREATE))
def test_a_create_survives_a_kill_at(fault: str, machine: Machine) -> None:
    port = begin(machine, fault, first=True)
    machine.define("rosewood", port, GREET="ada")
    push_through(machine, "rosewood: begin")
    die_and_come_back(machine)
    assert machine.get(port) == "hello ada\n"
    machine.wait_for(lambda: settled(machine, "running"))
    check_whole(machine)


@pytest.mark.parametrize("fault", of_push(*UPDATE))
def test_an_update_survives_a_kill_at(fault: str, machine: Machine) -> None:
    port = begin(machine, fault, first=False)
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text(path.read_text().replace("GREET: ada", "GREET: eve"))
    push_through(machine, "rosewood: eve")
    die_and_come_back(machine)
    machine.wait_for(lambda: machine.get(port) == "hello eve\n")
    machine.wait_for(lambda: settled(machine, "running"))
    assert machine.world("rosewood").startswith("started greeting ada\n")
    check_whole(machine)


@pytest.mark.parametrize("fault", of_push(*END))
def test_a_delete_survives_a_kill_at(fault: str, machine: Machine) -> None:
    begin(machine, fault, first=False)
    machine.git("rm", "--quiet", "servers.d/rosewood.yaml")
    push_through(machine, "rosewood: bye")
    die_and_come_back(machine)
    machine.wait_for(lambda: settled(machine, "deleted") and not machine.containers())
    assert machine.world("rosewood") == "started greeting ada\n"
    check_whole(machine)


@pytest.mark.parametrize("fault", of_push(*PURGE))
def test_a_purge_with_its_data_survives_a_kill_at(fault: str, machine: Machine) -> None:
    begin(machine, fault, first=False)
    server_id = machine.state("rosewood")["id"]
    path = machine.clone / "servers.d/rosewood.yaml"
    machine.write("tombstones.d/rosewood.yaml", "purge: data\n" + path.read_text())
    path.unlink()
    push_through(machine, "rosewood: purge with its data")
    die_and_come_back(machine)
    machine.wait_for(lambda: machine.state("rosewood") == {} and not machine.containers())
    assert not (machine.data_root / "servers" / server_id).exists()
    check_whole(machine)
