"""Backup is `git clone`: a hub that is lost is made anew from one, and nothing on hosts changes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.machine import Machine, became, free_port
from tests.system.servers import begin, edit, state, wait_begun, wait_status

pytestmark = [pytest.mark.docker, pytest.mark.system]


def test_a_clone_alone_brings_the_manager_back_and_servers_run_on_untouched(
    machine: Machine,
) -> None:
    machine.init()
    machine.up()
    port = free_port()
    machine.define("rosewood", port, GREET="ada")
    machine.push("rosewood: begin")
    machine.pull()
    begin(machine, "muldraugh")
    machine.zedops("delete", "muldraugh", "--yes", "--wait")
    wait_begun(machine, "rosewood")
    before, facts = machine.container("rosewood"), state(machine, "rosewood")
    grave, world = state(machine, "muldraugh"), machine.world("rosewood")
    backup = machine.folder / "backup"
    subprocess.run(["git", "clone", "--quiet", str(machine.hub), str(backup)], check=True)
    count = len(machine.subjects())
    machine.down(kill=True)
    shutil.rmtree(machine.hub)
    shutil.rmtree(machine.clone)

    said = machine.zedops("init", "again", "--from", str(backup), cwd=machine.folder).stdout
    assert said.startswith("1 server of ")
    machine.hub, machine.clone = machine.folder / "again.git", machine.folder / "again"
    machine.up()
    machine.wait_for(lambda: _is_heard(machine))
    after = machine.container("rosewood")
    assert before is not None
    assert after is not None
    assert (after["Id"], after["State"]["StartedAt"]) == (
        before["Id"], before["State"]["StartedAt"]
    )
    assert state(machine, "rosewood") == facts
    assert state(machine, "muldraugh") == grave
    assert len(machine.subjects()) == count  # nothing happened, so nothing is told
    assert machine.get(port) == "hello ada\n"

    edit(machine, machine.clone / "servers.d/rosewood.yaml", "GREET: ada", "GREET: eve")
    said = machine.git("push")
    assert became(said, "rosewood", "running")
    assert machine.get(port) == "hello eve\n"
    assert machine.world("rosewood") == world + "started greeting eve\n"
    machine.zedops("restore", "muldraugh")
    assert wait_status(machine, "muldraugh", "running")["id"] == grave["id"]


def _is_heard(machine: Machine) -> bool:
    rows = json.loads(machine.zedops("host", "list", "--json").stdout)
    return all(each["answers"] and each["quiet_s"] is not None for each in rows)


def test_what_is_no_clone_of_a_fleet_is_refused_and_leaves_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run(["git", "init", "--quiet", str(empty)], check=True)
    done = machine.zedops("init", "again", "--from", str(empty), cwd=machine.folder, code=2)
    assert "has no main; name a clone of the fleet" in done.stderr
    assert not (machine.folder / "again.git").exists()


def test_a_fleet_keeps_its_name_even_where_only_its_directory_says_it(machine: Machine) -> None:
    machine.init()
    machine.write("zedops.yaml", "retention: 1h\n")
    machine.push("named by its directory alone")
    backup = machine.folder / "backup"
    subprocess.run(["git", "clone", "--quiet", str(machine.hub), str(backup)], check=True)
    shutil.rmtree(machine.hub)
    shutil.rmtree(machine.clone)
    done = machine.zedops("init", "other", "--from", str(backup), cwd=machine.folder, code=2)
    assert f"the fleet's name was '{machine.fleet}'" in done.stderr
    assert not (machine.folder / "other.git").exists()
    machine.zedops("init", machine.fleet, "--from", str(backup), cwd=machine.folder)
    assert machine.hub.is_dir()
