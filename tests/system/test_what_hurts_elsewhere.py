"""What users of other GitOps tools complain about most, each tried here as a user would meet it."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import zedops
import zedops_agent
from tests.machine import Machine, became, free_port
from tests.system.servers import (
    add,
    begin,
    command,
    edit,
    home,
    mine,
    runs,
    starts,
    state,
    told,
    wait_status,
    write,
)
from zedops.manager import commit_batch
from zedops_agent import memory

pytestmark = [pytest.mark.docker, pytest.mark.system]

#: Nobody listens there: a registry that refuses.
NO_REGISTRY = "127.0.0.1:9/nothing:1"


def another_clone(machine: Machine) -> Path:
    """Clone the fleet as another person."""
    folder = machine.folder / f"clone-{uuid.uuid4().hex[:6]}"
    machine.zedops("clone", str(machine.hub), str(folder), cwd=machine.folder)
    return folder


def by_zedops(machine: Machine, about: str, since: str = "") -> list[str]:
    """List the robot's commits about a server, by their subjects."""
    revisions = f"{since}..main" if since else "main"
    log = machine.git("log", "--format=%s", "--author=zedops", revisions, cwd=machine.hub)
    return [each for each in log.splitlines() if about in each]


def test_1_the_robots_commits_refuse_nobodys_push_and_one_push_is_one_sync(
    fleet: Machine,
) -> None:
    ben = another_clone(fleet)  # who never pulls
    begin(fleet, "busy")
    path = ben / "servers.d" / "bens.yaml"
    path.parent.mkdir(exist_ok=True)
    for count in range(3):
        runs(fleet, "busy")  # the push before may be over sooner than it was started again
        fleet.api.kill(f"{fleet.fleet}-busy")  # so that the robot has something to say
        path.write_text(f"image: {fleet.image}\ndesired: stopped\nenv: {{N: {count}}}\n")
        fleet.git("add", str(path), cwd=ben)
        fleet.git("commit", "--quiet", "-m", f"bens: {count}", cwd=ben)
        assert "bens" in fleet.git("push", cwd=ben)
    fleet.git("pull", "--quiet", cwd=ben)
    assert "env: {N: 2}" in path.read_text()

    names = [f"batch-{number}" for number in range(6)]
    for name in names:
        write(fleet, name, "desired: stopped")
    before = fleet.git("rev-parse", "main", cwd=fleet.hub).strip()
    begun = time.monotonic()
    said = fleet.push("six at once")
    took_s = time.monotonic() - begun
    assert [name for name in names if not became(said, name, "stopped")] == []
    # on a machine that takes long they come to rest one after the other: told so often at most
    assert len(by_zedops(fleet, "batch-", before)) <= max(4, took_s / commit_batch.BUSY_S)


@pytest.fixture
def named_volume(fleet: Machine) -> Iterator[str]:
    """Make a named volume that the host's owner lets fleets use."""
    name = f"{fleet.fleet}-saves"
    made = fleet.api.create_volume(name)
    root = Path(made["Mountpoint"]).parent.parent
    fleet.policy.write_text(f"bind_roots: [{root}]\n")
    yield name
    fleet.policy.unlink()
    for each in mine(fleet, "kept"):
        fleet.api.remove_container(each["Id"], force=True)
    fleet.api.remove_volume(name)


def test_2_a_deletion_destroys_no_data(fleet: Machine, named_volume: str) -> None:
    begin(
        fleet, "kept",
        f"volumes: {{w: /data, saves: {{path: /saves, source: {named_volume}}}}}",
        command("echo day >> /data/world.txt; echo day >> /saves/save;"
                " trap 'exit 0' TERM; while :; do /bin/busybox sleep 1 & wait $!; done"),
    )
    world = home(fleet, "kept") / "w" / "world.txt"
    fleet.wait_for(lambda: state(fleet, "kept")["data_exists"])
    fleet.zedops("delete", "kept", "--yes", "--wait")
    assert mine(fleet, "kept") == []
    assert world.read_text() == "day\n"
    assert [each["Name"] for each in fleet.api.volumes({"name": named_volume})["Volumes"]] == [
        named_volume
    ]
    fleet.zedops("restore", "kept", "--wait")
    save = Path(fleet.api.inspect_volume(named_volume)["Mountpoint"], "save")
    fleet.wait_for(lambda: world.read_text() == save.read_text() == "day\nday\n")
    fleet.zedops("delete", "kept", "--yes", "--wait")
    fleet.zedops("purge", "kept", "--yes")
    fleet.wait_for(lambda: state(fleet, "kept") == {})
    assert world.exists()
    assert save.exists()


def test_3_a_rename_restarts_nothing(fleet: Machine) -> None:
    path = begin(fleet, "before")
    was, server_id = runs(fleet, "before"), state(fleet, "before")["id"]
    other = path.parent / "attic" / "after.yaml"
    other.parent.mkdir()
    fleet.git("mv", str(path), str(other))
    other.write_text(f"# a name that fits\n{other.read_text()}")
    fleet.git("commit", "--quiet", "--all", "-m", "before: now after")
    assert "after running" in fleet.git("push")
    facts = fleet.state("after")
    assert (facts["id"], facts["path"]) == (server_id, "servers.d/attic/after.yaml")
    fleet.wait_for(lambda: fleet.container("after"))
    assert runs(fleet, "after") == was
    assert fleet.container("before") is None
    assert state(fleet, "before") == {}


def test_4_nothing_restarts_needlessly_not_even_for_another_zedops(machine: Machine) -> None:
    machine.init()
    machine.up()
    path = begin(machine, "calm", f"ports: {{web: '{free_port()}:8080'}}", "env: {A: 1, B: 2}")
    machine.wait_for(lambda: state(machine, "calm")["data_exists"])
    was, before = runs(machine, "calm"), by_zedops(machine, "calm")
    edit(machine, path, "env: {A: 1, B: 2}", "env:\n  B: '2'   # other words\n  A: \"1\"")
    edit(machine, path, "stop: {grace: 5s}", "stop: {grace: 5000ms}")
    assert "calm running" in machine.git("push")
    assert runs(machine, "calm") == was
    machine.down()
    upgrade(machine.folder)
    machine.up()
    hooks = (machine.hub / "hooks" / "pre-receive").read_text()
    assert "zedops 99.0" in hooks  # it is the other one that runs
    begin(machine, "newer")
    machine.zedops("restart", "newer", "--wait")
    assert runs(machine, "calm") == was
    assert by_zedops(machine, "calm") == before  # and nothing to tell about it


def upgrade(folder: Path) -> None:
    """Put another version of zedops where commands run that start in a folder find it first."""
    for package in (zedops, zedops_agent):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / source.name)
    version = folder / "zedops" / "__init__.py"
    version.write_text(version.read_text().replace(zedops.__version__, "99.0"))


def test_5_everybody_who_pushes_hears_what_became_of_it(fleet: Machine) -> None:
    begin(fleet, "common")
    clones = [fleet.clone, another_clone(fleet), another_clone(fleet)]
    for number, clone in enumerate(clones):
        text = f"image: {fleet.image}\ndesired: stopped\nenv: {{GREET: x}}\n"
        (clone / f"servers.d/own-{number}.yaml").write_text(text)
        fleet.git("add", "servers.d", cwd=clone)
        fleet.git("commit", "--quiet", "-m", f"own-{number}: begin", cwd=clone)
    add(fleet, fleet.clone / "servers.d/common.yaml", "# nothing of importance")
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(lambda clone: fleet.git("push", cwd=clone), clones))
    for number, each in enumerate(said):
        assert became(each, f"own-{number}", "stopped")
        assert ("remote: common running" in each) == (number == 0)

    path = fleet.clone / "servers.d/own-0.yaml"
    edit(fleet, path, "GREET: x", "GREET: never")  # several commits in one push: the newest counts
    edit(fleet, path, "GREET: never", "GREET: eve")
    edit(fleet, path, "desired: stopped", "desired: running")
    newest = fleet.git("rev-parse", "--short=7", "HEAD").strip()
    assert became(fleet.git("push"), "own-0", "running")
    assert state(fleet, "own-0")["commit"] == newest
    container = fleet.container("own-0")
    assert container is not None
    assert "GREET=eve" in container["Config"]["Env"]
    assert not [each for each in told(fleet, "own-0") if "missing" in each]  # it never was


def test_6_nothing_is_busy_for_ever_nor_slow_in_a_big_fleet(machine: Machine) -> None:
    machine.init()
    machine.up()
    machine.write("zedops.yaml", f"name: {machine.fleet}\nhosts: [local, far]\n")
    for number in range(200):
        text = f"host: far\nimage: {machine.image}\nenv: {{N: {number}}}\n"
        machine.write(f"servers.d/far/far-{number}.yaml", text)
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "a big fleet")
    machine.git("push", "-o", "no-wait")
    machine.wait_for(lambda: len(by_zedops(machine, "197 more")) == 1)
    path = write(machine, "near", "host: local")
    begun = time.monotonic()
    assert became(machine.push("near: begin"), "near", "running")
    assert time.monotonic() - begun < 25
    machine.pull()

    people = [machine.clone, another_clone(machine), another_clone(machine)]
    with zedops_runs(machine.clone, "logs", "-f", "near") as reader, ThreadPoolExecutor() as pool:
        asked = [pool.submit(act_at_once, each, verb) for each, verb
                 in zip(people, (["stop", "start"], ["restart"], ["retry", "stop"]), strict=True)]
        codes = [code for each in asked for code in each.result()]
        reader.terminate()
    assert set(codes) <= {0, 1}  # two may want the same line: the later one is told
    assert codes.count(0) >= 2
    machine.zedops("start", "near", "--wait")
    machine.git("pull", "--quiet")
    edit(machine, path, "host: local", "host: local\nenv: {GREET: you}")
    assert became(machine.git("push"), "near", "running")


def zedops_runs(clone: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a command and do not wait for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "zedops", *arguments], cwd=clone,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def act_at_once(clone: Path, verbs: list[str]) -> list[int]:
    """Ask for one thing after the other, as somebody impatient does; returns the exit codes."""
    return [zedops_runs(clone, verb, "near").wait(timeout=60) for verb in verbs]


def test_7_a_bad_file_that_got_in_blocks_only_itself_and_is_named(fleet: Machine) -> None:
    bad = begin(fleet, "bad", "env: {GREET: ada}")
    good = begin(fleet, "good", "env: {GREET: ada}")
    was = runs(fleet, "bad")
    text = bad.read_text()
    bad.write_text(text.replace("stop: {grace: 5s}", "stop: {grace: 5 fortnights}"))
    edit(fleet, good, "GREET: ada", "GREET: eve")
    said = fleet.git("push", code=1)
    assert "servers.d/bad.yaml:2:" in said
    assert "good" not in said.partition("servers.d/bad.yaml:2:")[2].splitlines()[0]
    fleet.wait_for(lambda: is_put_past_checks(fleet))
    fleet.wait_for(lambda: runs(fleet, "good") != was and greeting(fleet, "good") == "eve")
    message = str(fleet.wait_for(lambda: state(fleet, "bad")["message"]))
    assert message.startswith("servers.d/bad.yaml:2:")
    assert "last good definition" in message
    assert state(fleet, "good")["message"] is None
    assert runs(fleet, "bad") == was
    fleet.git("pull", "--quiet")
    edit(fleet, bad, "5 fortnights", "6s")
    assert "bad running" in fleet.git("push")
    assert state(fleet, "bad")["message"] is None


def is_put_past_checks(machine: Machine) -> bool:
    """Have the hub fetch what a clone has, as somebody would who works in the hub itself.

    Say whether that went well: zedops may have committed since the clone pulled.
    """
    machine.git("pull", "--quiet")
    machine.git("fetch", str(machine.clone), "main:main", cwd=machine.hub, code=None)
    head = machine.git("rev-parse", "HEAD").strip()
    # not by what it said: it has many words for having been too late
    return head in machine.git("log", "--format=%H", "main", cwd=machine.hub).split()


def greeting(machine: Machine, name: str) -> str:
    """Say whom a server of the usual image greets."""
    facts = machine.container(name)
    env = facts["Config"]["Env"] if facts else []
    return next((each.partition("=")[2] for each in env if each.startswith("GREET=")), "")


def test_8_nothing_is_left_behind_and_nothing_grows(fleet: Machine) -> None:
    path = begin(fleet, "edited", "env: {N: 0}")
    edit(fleet, path, "N: 0", "N: 1")
    begun = time.monotonic()
    fleet.git("push")
    found = len(mine(fleet, "edited"))
    # the one before waits until this one is proven
    assert found == 2 or time.monotonic() - begun > memory.PROVEN_S
    fleet.zedops("delete", "edited", "--yes", "--wait")
    assert mine(fleet, "edited") == []

    path = write(fleet, "loop", "desired: stopped", "env: {N: 0}")
    fleet.push("loop: begin")
    before: dict[str, int] = {}
    for number in range(1, 29):
        edit(fleet, path, f"N: {number - 1}", f"N: {number}")
        waits = number % 4 == 0
        said = fleet.git("push", *([] if waits else ["-o", "no-wait"]))
        assert not waits or became(said, "loop", "stopped")
        if number == 8:  # threads and connections that are kept for later are there now
            before = weight(fleet)
    # it is told to be at rest, and then the one before it goes
    fleet.wait_for(lambda: len(mine(fleet, "loop")) == 1)
    assert mine(fleet, "loop")[0]["Id"].startswith(state(fleet, "loop")["container"])
    fleet.wait_for(lambda: all(each <= before[key] + 8 for key, each in weight(fleet).items()))


def weight(machine: Machine) -> dict[str, int]:
    """Count what `zedops up` holds: descriptors, threads, children, zombies among them."""
    process = Path("/proc", str(machine.pid))
    children: list[str] = []
    for task in (process / "task").iterdir():
        with contextlib.suppress(OSError):  # that thread has ended since
            children += (task / "children").read_text().split()
    return {
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        "children": len(children),
        "zombies": sum(is_zombie(each) for each in children),
    }


def is_zombie(process: str) -> bool:
    """Say whether a process has ended and nobody took notice."""
    with contextlib.suppress(OSError):
        return ") Z " in Path("/proc", process, "stat").read_text()
    return False


def test_9_a_host_or_a_registry_that_does_not_answer_fails_nobody_else(machine: Machine) -> None:
    machine.init()
    machine.up()
    machine.write("zedops.yaml", f"name: {machine.fleet}\nhosts: [local, far]\n")
    write(machine, "there", "host: far")
    write(machine, "here", "host: local")
    write(machine, "unpullable", "host: local", image=NO_REGISTRY)
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "a batch")
    machine.git("push", "-o", "no-wait")
    wait_status(machine, "here", "running")
    facts = wait_status(machine, "unpullable", "failed")
    assert "127.0.0.1:9" in facts["message"]
    assert state(machine, "there")["status"] == "pending"
    machine.zedops("stop", "here", "--wait")
    said = machine.zedops("orphans")
    assert "far: not looked at" in said.stderr
    assert "no orphans" in said.stdout
    said = machine.zedops("logs", "there", code=1)
    assert "far" in said.stderr
    assert mine(machine, "unpullable") == mine(machine, "there") == []


def test_10_an_image_that_cannot_be_had_takes_nothing_away(fleet: Machine) -> None:
    path = begin(fleet, "watched")
    was = runs(fleet, "watched")
    edit(fleet, path, fleet.image, NO_REGISTRY)
    said = fleet.git("push")
    assert re.search(r"remote: watched (creating … )?failed .*127\.0\.0\.1:9", said)
    assert runs(fleet, "watched") == was
    assert len(mine(fleet, "watched")) == 1
    fleet.git("pull", "--quiet")
    edit(fleet, path, NO_REGISTRY, fleet.image)
    assert "remote: watched running" in fleet.git("push")
    assert runs(fleet, "watched") == was
    assert starts(fleet, "watched") == 1
