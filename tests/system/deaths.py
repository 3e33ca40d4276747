"""What tests of `kill -9` share: a fleet that dies where it is told to, and what must hold then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.machine import Machine
from zedops.git.repository import Repository
from zedops.spec import document
from zedops.spec.document import Document
from zedops.spec.state import State


@dataclass(frozen=True)
class Life:
    """One run of one container."""

    container: str
    started_at: str

    @classmethod
    def of(cls, machine: Machine, container: str) -> Life:
        """Look at a container, by name or id."""
        facts: dict[str, Any] = machine.api.inspect_container(container)
        assert facts["State"]["Running"], facts["State"]
        return cls(facts["Id"], facts["State"]["StartedAt"])


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


def documents(machine: Machine) -> dict[str, Document]:
    """Read every server and tombstone from the hub: these tests ask too often for a command."""
    hub = Repository(machine.hub)
    found = {
        path: each.blob for path, each in hub.tree("main").items()
        if path.startswith(("servers.d/", "tombstones.d/")) and path.endswith(".yaml")
    }
    texts = hub.objects.blobs(found.values())
    read = [document.parse(path, texts[blob]) for path, blob in found.items()]
    return {each.name: each for each in read}


def state_of(machine: Machine, name: str) -> State:
    """Read the state of a server that is there."""
    found = documents(machine)[name].state
    assert found is not None
    return found


def settled(machine: Machine, status: str, name: str = "rosewood") -> bool:
    """Say whether a server is where it should be, with everything in git."""
    found = documents(machine).get(name)
    return found is not None and found.state is not None and found.state.status == status


def has_data(machine: Machine, name: str = "rosewood") -> bool:
    """Say whether a server's world is known to git."""
    found = documents(machine).get(name)
    return found is not None and found.state is not None and found.state.data_exists


def world_of(machine: Machine, server_id: str) -> str:
    """Read what a server wrote into its world."""
    return (machine.data_root / "servers" / server_id / "world" / "world.txt").read_text()


def check_history(machine: Machine) -> None:
    """No broken history, and nobody in it but those who are there now."""
    found = documents(machine).values()
    assert not [each.problems for each in found if each.problems]
    assert ids_in_history(machine) == {each.id for each in found}


def ids_in_history(machine: Machine) -> set[str]:
    """List the ids that zedops ever wrote about, from a repository that is whole."""
    machine.check_hub()
    said = machine.git("log", "--format=%B", "--author=zedops", "main", cwd=machine.hub)
    return {line.split()[-1] for line in said.splitlines() if line.startswith("Zedops-Server")}
