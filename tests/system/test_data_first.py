"""Ways in which a world could have been lost, found by looking for them; none may come back."""

from __future__ import annotations

import shutil

import pytest

from tests.machine import Machine, free_port

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture
def running(machine: Machine) -> tuple[Machine, int]:
    """A fleet with one running server that has a world; the clone has not pulled its state."""
    port = free_port()
    machine.init()
    machine.up()
    machine.define("rosewood", port, GREET="ada")
    machine.push("rosewood: begin")
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    return machine, port


def test_a_data_root_that_is_not_there_never_leads_to_a_fresh_world(
    running: tuple[Machine, int],
) -> None:
    machine, _ = running
    machine.down()
    machine.api.stop(f"{machine.fleet}-rosewood", timeout=5)
    kept = machine.folder / "unmounted"
    machine.data_root.rename(kept)
    for _ in range(2):  # the second start finds neither the data nor the agent's own memory of it
        machine.up()
        machine.wait_for(lambda: machine.state("rosewood")["status"] == "missing")
        machine.down()
    assert "is its disk mounted?" in machine.state("rosewood")["message"]
    container = machine.container("rosewood")
    assert container is None or not container["State"]["Running"]
    shutil.rmtree(machine.data_root)
    kept.rename(machine.data_root)
    machine.up()
    machine.wait_for(lambda: machine.state("rosewood")["status"] == "running")
    assert machine.wait_world("rosewood", 2) == "started greeting ada\n" * 2


def test_a_rename_before_the_first_pull_keeps_the_server_and_its_world(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    before = machine.state("rosewood")
    machine.git("mv", "servers.d/rosewood.yaml", "servers.d/riverside.yaml")
    machine.git("commit", "--quiet", "-m", "another name")
    machine.git("push")
    after = machine.state("riverside")
    assert (after["id"], after["container"]) == (before["id"], before["container"])
    assert machine.state("rosewood") == {}
    assert machine.get(port) == "hello ada\n"
    assert len(machine.containers()) == 1


def test_a_file_copied_into_another_fleet_does_not_share_the_world(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    machine.pull()
    other = Machine(machine.folder / "other", machine.api, machine.image)
    other.folder.mkdir()
    other.data_root = machine.data_root
    try:
        other.init()
        other.up()
        text = (machine.clone / "servers.d/rosewood.yaml").read_text()
        text = text.replace(str(port), str(free_port()))
        other.write("servers.d/mine.yaml", f"adopt: {machine.state('rosewood')['id']}\n{text}")
        other.push("copied, and asks for the world")
        other.wait_for(lambda: other.state("mine")["status"] == "missing")
        assert "another server's data" in other.state("mine")["message"]
        other.zedops("purge", "mine", "--data", "--confirm", "mine")
        refusal = "is not marked as this server's"
        other.wait_for(lambda: refusal in str(other.state("mine")["message"]))
    finally:
        other.tear_down()
    assert machine.world("rosewood") == "started greeting ada\n"
    assert machine.get(port) == "hello ada\n"


def test_what_would_leave_a_world_behind_is_refused(running: tuple[Machine, int]) -> None:
    machine, _ = running
    machine.pull()
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text(path.read_text().replace("  world: /data", "  wrold: /data"))
    machine.git("commit", "--quiet", "--all", "-m", "a slip in a volume's name")
    said = machine.git("push", code=1)
    assert "volumes: the data volume 'world' would be left behind" in said
    machine.git("reset", "--quiet", "--hard", "HEAD~1")

    settings = machine.clone / "zedops.yaml"
    settings.write_text(settings.read_text().replace(f"name: {machine.fleet}", "name: renamed"))
    machine.git("commit", "--quiet", "--all", "-m", "another name")
    assert f"set it back to `name: {machine.fleet}`" in machine.git("push", code=1)
    machine.git("reset", "--quiet", "--hard", "HEAD~1")

    machine.git("rm", "--quiet", "zedops.yaml")
    machine.git("commit", "--quiet", "-m", "no settings")
    assert "zedops.yaml: cannot be removed" in machine.git("push", code=1)


def test_a_hub_restored_from_a_copy_is_obeyed(running: tuple[Machine, int]) -> None:
    machine, _ = running
    machine.down()
    copy = machine.folder / "copy.git"
    shutil.copytree(machine.hub, copy)
    for _ in range(2):
        machine.up()
        machine.down()
    shutil.rmtree(machine.hub)
    copy.rename(machine.hub)
    machine.up()
    machine.zedops("stop", "rosewood", "--wait")
    assert machine.state("rosewood")["status"] == "stopped"
