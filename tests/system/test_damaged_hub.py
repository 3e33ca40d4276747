"""A hub that lost an object, or has one that is damaged: said, refused, mended from any clone."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.machine import Machine
from tests.system.servers import begin, edit, runs, wait_status
from zedops.git.stderr import MEND

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(120),
    pytest.mark.xdist_group("damaged-hub"),
]

_number = itertools.count(1)


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Set up a fleet with one server; each test finds it whole, and leaves it so."""
    machine = Machine(tmp_path_factory.mktemp("damaged"), docker_api, image)
    try:
        machine.init()
        machine.up()
        begin(machine, "rosewood", "env: {GREET: somebody0}")
        yield machine
    finally:
        machine.tear_down()


def object_file(machine: Machine, revision: str) -> Path:
    """Find the file that holds an object of the hub, in none of its packs."""
    packs = machine.hub / "objects" / "pack"
    for pack in packs.glob("*.pack"):  # what git fetched and checked, it kept as a pack
        content = pack.read_bytes()
        for each in packs.glob(f"{pack.stem}.*"):
            each.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=machine.hub, input=content, check=True)
    name = machine.git("rev-parse", revision, cwd=machine.hub).strip()
    return machine.hub / "objects" / name[:2] / name[2:]


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
@pytest.mark.parametrize(
    "revision", ["main", "main^{tree}", "main:servers.d/rosewood.yaml", "main~1"]
)
def test_a_damaged_hub_refuses_says_so_and_is_mended_from_a_clone(
    damage: str, revision: str, fleet: Machine
) -> None:
    number = next(_number)
    before = runs(fleet, "rosewood")
    fleet.pull()
    file = object_file(fleet, revision)
    file.chmod(0o644)
    file.unlink() if damage == "missing" else file.write_bytes(b"nonsense")
    path = fleet.clone / "servers.d/rosewood.yaml"
    edit(fleet, path, f"somebody{number - 1}", f"somebody{number}")
    # what nobody has to read for a push may be missing: it goes on without
    said = fleet.git("push", code=None if revision == "main~1" else 1)
    assert "has nothing in common" not in said
    assert revision == "main~1" or runs(fleet, "rosewood") == before
    found = fleet.zedops("doctor", code=1)
    assert MEND in found.stdout + found.stderr
    if damage == "corrupt":
        file.unlink()
    fleet.git("fetch", "--refetch", str(fleet.clone), "main", cwd=fleet.hub)
    fleet.check_hub()
    fleet.git("push")
    fleet.wait_for(lambda: f"GREET=somebody{number}" in str(fleet.container("rosewood")))
    wait_status(fleet, "rosewood", "running")
    assert "Traceback" not in fleet.log.read_text()


def test_a_manager_does_not_start_on_a_damaged_hub_and_says_the_way_out(fleet: Machine) -> None:
    before = runs(fleet, "rosewood")
    fleet.pull()
    fleet.down()
    file = object_file(fleet, "main:servers.d/rosewood.yaml")
    content = file.read_bytes()
    file.unlink()
    try:
        done = fleet.zedops(*fleet.command(), code=1)
    finally:
        file.write_bytes(content)
        fleet.up()
    assert done.stderr.endswith(f"; {MEND}\n")
    assert runs(fleet, "rosewood") == before
