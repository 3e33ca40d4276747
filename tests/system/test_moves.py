"""Two hosts, one manager: `zedops move` brings a server with its world from one to the other."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.machine import became
from tests.system.many import Many, two_hosts

pytestmark = [
    pytest.mark.docker, pytest.mark.nats, pytest.mark.system, pytest.mark.usefixtures("restic"),
    pytest.mark.xdist_group("many"), pytest.mark.timeout(400),
]  # fmt: skip


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Many]:
    with two_hosts(tmp_path_factory.mktemp("moves"), docker_api, image) as made:
        yield made


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
    many.wait_for(lambda: many.state(name).get("data_exists"))
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
    found.pop(".zedops.json", None)
    return found


def test_a_server_moves_with_its_world_and_comes_back(many: Many) -> None:
    world = begin(many, "rosewood", size=65 << 20)  # its difference alone follows
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
        backups = many.hosts[host].data_root / "backups"
        assert not list(backups.glob(f"*/moves/{many.state('rosewood')['id']}*"))
    (there / "region" / "r.0.0").write_bytes(b"grown")
    many.pull()
    many.zedops("move", "rosewood", "--host", "attic", "--yes", "--wait")
    many.runs_on("rosewood", "attic")
    assert (world / "region" / "r.0.0").read_bytes() == b"grown"


#: The old host, the new host and the manager die at each of these, in one move.
GIVEN = ("move.keyed", "move.given", "step.GiveWorld")
TAKEN = ("move.begun", "step.NoteMove", "move.received", "move.fetched", "step.TakeWorld",
         "move.placed", "step.PlaceWorld", "move.ended")
CARRIED = ("move.carried",)
#: On the way back, the first host may run it again.
RETURNED = ("move.dropped",)


def die_at(many: Many, points: dict[str, tuple[str, ...]], name: str, host: str) -> None:
    """Move a server while hosts and the manager are killed at points; it never runs twice."""
    many.pull()
    orders = {where: many.folder / f"orders-{where}" for where in points}
    left = {where: [f"{each}:kill" for each in those] for where, those in points.items()}
    for where, each in left.items():
        orders[where].write_text("\n".join(each))
        restart(many, where, str(orders[where]))
    many.wait_for(lambda: all(many.answers(each) for each in many.hosts))
    many.zedops("move", name, "--host", host, "--yes")

    def goes_on() -> bool:
        for where, each in left.items():
            died = not many.hosts[where].runs if where in many.hosts else many.died
            if died:
                last = Path(f"{orders[where]}.met").read_text().split()[-1]
                each.remove(f"{last.partition('@')[0]}:kill")
                orders[where].write_text("\n".join(each))
                restart(many, where, str(orders[where]))
        runs = [each for each in many.on(name) if each[1] == "running"]
        assert len(runs) <= 1, runs
        return not any(left.values()) and runs == [(host, "running")]

    many.wait_for(goes_on, 150)
    for where, path in orders.items():
        Path(f"{path}.met").unlink()
        restart(many, where, None)
    many.wait_for(lambda: not many.state(name)["message"] and many.state(name)["host"] == host)


def restart(many: Many, where: str, fault: str | None) -> None:
    if where in many.hosts:
        many.hosts[where].down()
        many.hosts[where].run(fault)
    else:
        many.down(kill=many.died)
        many.up(fault)


@pytest.mark.long
def test_a_move_that_dies_everywhere_brings_the_whole_world(many: Many) -> None:
    world = begin(many, "walked", size=1 << 20)
    before = looks(world)
    die_at(many, {"attic": GIVEN, "cellar": TAKEN, "manager": CARRIED}, "walked", "cellar")
    there = home(many, "walked", "cellar") / "world"
    assert {**looks(there), "world.txt": before["world.txt"]} == before
    (there / "kept").write_text("later")
    die_at(many, {"attic": RETURNED}, "walked", "attic")
    assert (world / "kept").read_text() == "later"


def test_a_world_goes_through_a_repository_that_both_hosts_reach(many: Many) -> None:
    nas, policy = many.folder / "nas", many.folder / "policy.yaml"
    policy.write_text(f"backups: ['{nas}']\n")
    for host in many.hosts.values():
        host.down()
        host.run(policy=policy)
    password(many, "attic")
    many.pull()
    settings = (many.clone / "zedops.yaml").read_text()
    many.write("zedops.yaml", f"{settings}backups: {{nas: {nas}}}\n")
    world = begin(many, "guarded", "backup: {repository: nas}", size=1000)
    run, before = many.of("attic", "guarded"), looks(world)
    said = many.zedops("move", "guarded", "--host", "cellar", "--yes", "--wait", code=1)
    assert "not moved to cellar: PASSWORD of repository 'nas' is not set" in said.stderr
    assert run == many.of("attic", "guarded"), "it was stopped for a move that could not be"
    password(many, "cellar")
    many.pull()
    many.zedops("move", "guarded", "--host", "cellar", "--yes", "--wait")
    many.runs_on("guarded", "cellar")
    there = home(many, "guarded", "cellar") / "world"
    assert {**looks(there), "world.txt": before["world.txt"]} == before
    moves = many.hosts["cellar"].data_root / "backups" / many.fleet / "moves"
    assert not list(moves.glob(f"{many.state('guarded')['id']}*")), "it went over the bus"


def password(many: Many, host: str) -> None:
    """Put the password of the common repository on a host."""
    place = many.hosts[host].data_root / "secrets" / many.fleet / "backups.nas"
    place.mkdir(parents=True)
    (place / "PASSWORD").write_text("word")


def test_a_server_that_does_not_run_on_the_new_host_comes_back(many: Many) -> None:
    volumes = "volumes: {world: /data, scratch: {path: /scratch, kind: cache}}"
    loop = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1 & wait $!; done"
    away = "[ -e /data/first ] && [ ! -e /scratch/here ] && exit 3"
    script = f"{away}; touch /data/world.txt; {loop}"
    many.pull()
    many.write("servers.d/bound.yaml", f"host: attic\nimage: {many.image}\nstop: {{grace: 5s}}\n"
               f"{volumes}\ncommand: {json.dumps(['/bin/sh', '-c', script])}\n")
    assert became(many.push("bound: begin"), "bound", "running")
    world = home(many, "bound", "attic") / "world"
    many.wait_for((world / "world.txt").exists)
    many.wait_for(lambda: many.state("bound").get("data_exists"))
    (world / "first").touch()
    (world.parent / "scratch" / "here").touch()
    many.pull()
    said = many.zedops("move", "bound", "--host", "cellar", "--yes", "--wait", code=1)
    assert "not moved to cellar: it ends by itself" in said.stderr
    many.runs_on("bound", "attic")
    assert (world / "first").exists()
    many.hosts["attic"].down()
    words = ("move", "bound", "--host", "cellar", "--yes")
    said = many.zedops(*words, code=1)
    assert "so the world on attic cannot come now" in said.stderr
    assert "--without-world` goes without it, and there is no backup of it" in said.stderr
    many.hosts["attic"].run()
