"""Two hosts, one manager: `zedops move` brings a server with its world from one to the other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import without
from tests.machine import became
from tests.system.many import Many, missing

pytestmark = [
    pytest.mark.docker, pytest.mark.nats, pytest.mark.system, pytest.mark.usefixtures("restic"),
    pytest.mark.xdist_group("many"), pytest.mark.timeout(400),
]  # fmt: skip


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Many]:
    if lacking := missing():
        without(lacking)
    packed = b"".join(docker_api.get_image(image))
    made = Many(tmp_path_factory.mktemp("moves"), docker_api, image, packed, ("attic", "cellar"))
    try:
        made.begin()
        yield made
    finally:
        made.tear_down()


def begin(many: Many, name: str, *lines: str, size: int = 3 << 20) -> Path:
    """Push a server for the attic, see it run, and give it a world; returns that place."""
    many.pull()
    path = many.place(name, "attic", GREET="ada")
    if lines:
        many.write(path, (many.clone / path).read_text() + "".join(f"{each}\n" for each in lines))
    said = many.push(f"{name}: begin")
    assert became(said, name, "running"), (said, many.said())
    world = home(many, name, "attic") / "world"
    many.wait_for((world / "world.txt").exists)
    (world / "region").mkdir()
    (world / "region" / "r.0.0").write_bytes(os.urandom(size))
    (world / "link").symlink_to("/etc/passwd")
    os.chown(world / "region" / "r.0.0", 1234, 99)
    many.pull()
    return world


def home(many: Many, name: str, host: str) -> Path:
    """Say where a host keeps a server's volumes."""
    return many.hosts[host].data_root / "servers" / str(many.state(name)["id"])


def looks(world: Path) -> dict[str, tuple[str, int, int]]:
    """Describe a world: each file's content, owner and mode; without zedops' own marker."""
    found = {}
    for path in sorted(world.rglob("*")):
        facts = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        found[str(path.relative_to(world))] = (content, facts.st_uid, facts.st_mode)
    del found[".zedops.json"]
    return found


def test_a_server_moves_with_its_world_and_comes_back(many: Many) -> None:
    world = begin(many, "rosewood")
    before = looks(world)
    subjects = len(many.subjects())
    said = many.zedops("move", "rosewood", "--host", "cellar", "--yes", "--wait")
    assert "rosewood runs on cellar, with its world" in said.stdout
    many.runs_on("rosewood", "cellar")
    there = home(many, "rosewood", "cellar") / "world"
    many.wait_for(lambda: (there / "world.txt").read_text().count("\n") == 2)
    after = looks(there)
    assert {**after, "world.txt": before["world.txt"]} == before
    assert looks(world) == before
    assert many.state("rosewood")["message"] is None
    assert len(many.subjects()) - subjects <= 8
    for host in ("attic", "cellar"):
        assert not list((many.hosts[host].data_root / "backups").glob("*/moves/*"))
    (there / "region" / "r.0.0").write_bytes(b"grown")
    many.pull()
    many.zedops("move", "rosewood", "--host", "attic", "--yes", "--wait")
    many.runs_on("rosewood", "attic")
    assert (world / "region" / "r.0.0").read_bytes() == b"grown"
