"""`kill -9` at every point between two effects of a birth, a change and an end: it converges."""

from __future__ import annotations

import pytest

from tests.machine import Machine
from tests.system.deaths import (
    begin,
    check_whole,
    die_and_come_back,
    documents,
    push_through,
    settled,
    state_of,
)
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
    server_id = state_of(machine, "rosewood").id
    path = machine.clone / "servers.d/rosewood.yaml"
    machine.write("tombstones.d/rosewood.yaml", "purge: data\n" + path.read_text())
    path.unlink()
    push_through(machine, "rosewood: purge with its data")
    die_and_come_back(machine)
    machine.wait_for(lambda: not documents(machine) and not machine.containers())
    assert not (machine.data_root / "servers" / server_id).exists()
    check_whole(machine)
