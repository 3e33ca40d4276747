"""The ten mistakes of the server manager that zedops grew out of, each tried as a user would."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.machine import Machine, became, free_port
from tests.registry import changed, forget, publish
from tests.relay import Relay
from tests.system.servers import (
    LOOP,
    add,
    begin,
    command,
    edit,
    home,
    is_running,
    mine,
    runs,
    starts,
    state,
    told,
    wait_starts,
    wait_status,
    write,
)

pytestmark = [pytest.mark.docker, pytest.mark.system]

LISTING = b"/containers/json"
MANIFEST = b"/manifests/"


@pytest.fixture
def slow_registry(registry: str) -> Iterator[Relay]:
    """Stand between the Engine and the registry."""
    host, _, port = registry.partition(":")
    made = Relay((host, int(port)))
    yield made
    made.close()


@pytest.fixture
def slow_image(
    slow_registry: Relay, published: str, docker_api: docker.APIClient
) -> Iterator[str]:
    """Name the published image as the slow registry has it."""
    name = f"{slow_registry.address}/{published.partition('/')[2]}"
    yield name
    forget(docker_api, name.removesuffix(":1"))


@pytest.fixture
def releases(docker_api: docker.APIClient) -> Iterator[list[str]]:
    """Keep the ids of images that a test makes, and remove those in the end."""
    made: list[str] = []
    yield made
    for each in made:
        with contextlib.suppress(docker.errors.APIError):
            docker_api.remove_image(each, force=True)


def test_1_a_failed_listing_is_not_an_empty_one(fleet: Machine, wire: Relay) -> None:
    path = begin(fleet, "listed")
    before = runs(fleet, "listed")
    add(fleet, path, "restart: monday")
    with wire.refusing(LISTING):
        fleet.git("push", "-o", "no-wait")
        wire.wait_met(3)  # looked, and looked again
        said = fleet.zedops("orphans", code=1)
        assert "no orphans" not in said.stdout
        assert "context deadline exceeded" in said.stderr
        facts = fleet.state("listed")
        assert (facts["status"], facts["message"]) == ("running", None)
        assert runs(fleet, "listed") == before
    fleet.wait_for(lambda: runs(fleet, "listed")[1] != before[1])  # what was asked for, once
    assert runs(fleet, "listed")[0] == before[0]
    assert len(mine(fleet, "listed")) == 1
    assert not [each for each in told(fleet, "listed") if "missing" in each or "failed" in each]


def test_2_what_is_lost_stays_lost_and_a_download_is_no_world(fleet: Machine) -> None:
    path = begin(
        fleet, "lost", "volumes: {w: /data, bin: {path: /bin2, kind: cache}}",
        command(f"echo game > /bin2/game; {LOOP}"),
    )
    volumes = home(fleet, "lost")
    fleet.wait_for((volumes / "bin" / "game").exists)
    fleet.zedops("restart", "lost", "--wait")
    assert fleet.state("lost")["data_exists"] is False
    (volumes / "w" / "save").write_text("day 1")
    fleet.wait_for(lambda: state(fleet, "lost")["data_exists"])

    (volumes / "w").rename(volumes.parent / "elsewhere")
    fleet.api.remove_container(f"{fleet.fleet}-lost", force=True)
    wait_status(fleet, "lost", "missing")
    said = fleet.zedops("retry", "lost", "--wait", code=1).stderr
    assert "zedops purge lost --data" in said
    assert not (volumes / "w").exists()
    assert mine(fleet, "lost") == []
    assert fleet.state("lost")["data_exists"] is False

    (volumes.parent / "elsewhere").rename(volumes / "w")
    wait_status(fleet, "lost", "running")
    assert (volumes / "w" / "save").read_text() == "day 1"
    assert path.exists()


def test_3_a_deletion_with_the_engine_away_happens_later_and_is_never_taken_back(
    fleet: Machine, wire: Relay
) -> None:
    path = begin(fleet, "ended")
    fleet.wait_for(lambda: starts(fleet, "ended") == 1)
    world = home(fleet, "ended") / "w"
    fleet.git("rm", "--quiet", str(path))
    fleet.git("commit", "--quiet", "-m", "ended: no longer played")
    with wire.cut():
        fleet.git("push", "-o", "no-wait")
        wait_status(fleet, "ended", "deleting")
        wire.wait_met(3)
        assert is_running(fleet, "ended")
        assert fleet.state("ended")["status"] == "deleting"
    wait_status(fleet, "ended", "deleted")
    assert mine(fleet, "ended") == []
    assert (world / "world.txt").exists()
    after = told(fleet, "ended")
    after = after[after.index("ended: no longer played") + 1 :]
    assert " → ".join(each.removeprefix("ended: ") for each in after).split(" → ")[-1] == "deleted"
    assert not [each for each in after if each.endswith("running")]


def test_4_work_may_take_its_time_and_its_late_end_counts(
    fleet: Machine, slow_registry: Relay, slow_image: str
) -> None:
    write(fleet, "slow", command(
        f"{LOOP.replace('exit 0', '/bin/busybox sleep 3; echo saved > /data/save; exit 0')}"
    ), "stop: {grace: 20s}", image=slow_image)
    path = fleet.clone / "servers.d/slow.yaml"
    path.write_text(path.read_text().replace("stop: {grace: 5s}\n", ""))
    fleet.git("add", str(path))
    fleet.git("commit", "--quiet", "-m", "slow: begin")
    with slow_registry.holding(MANIFEST):
        fleet.git("push", "-o", "no-wait")
        slow_registry.wait_met(1)
        wait_status(fleet, "slow", "creating")
    wait_status(fleet, "slow", "running")
    assert fleet.state("slow")["message"] is None
    fleet.zedops("stop", "slow", "--wait")
    facts = fleet.state("slow")
    assert facts["status"] == "stopped"
    # it sleeps for 3 s, and a busy machine lets it sleep longer
    took = re.fullmatch(r"stopped in ([\d.]+) s, exit code 0", facts["message"])
    assert took is not None, facts["message"]
    assert float(took[1]) >= 3
    assert (home(fleet, "slow") / "w" / "save").read_text() == "saved\n"


def test_5_long_work_blocks_nobody_and_creating_outlives_no_crash(
    machine: Machine, slow_registry: Relay, slow_image: str
) -> None:
    machine.init()
    machine.up()
    write(machine, "slow", image=slow_image)
    machine.git("add", "servers.d")
    machine.git("commit", "--quiet", "-m", "slow: begin")
    with slow_registry.holding(MANIFEST):
        machine.git("push", "-o", "no-wait")
        slow_registry.wait_met(1)
        begin(machine, "quick")
        assert "up, greeting" in machine.zedops("logs", "quick").stdout
        machine.zedops("restart", "quick", "--wait")
        assert machine.state("slow")["status"] == "creating"
        machine.down(kill=True)
    machine.up()
    wait_status(machine, "slow", "running")
    assert len(mine(machine, "slow")) == 1


def test_6_one_name_for_one_thing_and_a_wrong_one_is_told(fleet: Machine) -> None:
    begin(fleet, "muldraugh")
    for verb in ("show", "logs", "stop", "delete"):
        said = fleet.zedops(verb, "muldrough", *(["--yes"] if verb == "delete" else []), code=2)
        assert "no server 'muldrough'; did you mean 'muldraugh'?" in said.stderr
        assert said.stdout == ""
    for verb in ("purge", "restore"):
        assert "'muldrough'" in fleet.zedops(verb, "muldrough", code=2).stderr
    for asked in (["ports"], ["import", "something"]):
        said = fleet.zedops(*asked, "--host", "locall", code=2)
        assert "no host 'locall'; the fleet has local" in said.stderr
    path = write(fleet, "nowhere", "host: locall")
    listed = fleet.zedops("validate", code=1).stdout
    assert "nowhere.yaml:4:1: host: 'locall' is not a host of this fleet; use one of lo" in listed
    path.unlink()

    newest = fleet.git("log", "-1", "--author=zedops", "--format=%B", "main", cwd=fleet.hub)
    named = {line.partition(": ")[2] for line in newest.splitlines() if "Zedops-Host" in line}
    named |= {fleet.state("muldraugh")["host"]}
    named |= {each["host"] for each in json.loads(fleet.zedops("ports", "--json").stdout)}
    assert named == {"local"}


@pytest.fixture
def stopped(fleet: Machine) -> Iterator[tuple[str, int, Path]]:
    """Somebody's container that does not run, mounted in the old way and in the new one."""
    world, port, name = fleet.folder / "old", free_port(), f"{fleet.fleet}-{uuid.uuid4().hex[:6]}"
    for each in (world / "saves", world / "mods"):
        each.mkdir(parents=True)
    config = fleet.api.create_host_config(
        binds=[f"{world}/saves:/data"], port_bindings={"8080/tcp": port},
        mounts=[docker.types.Mount("/mods", f"{world}/mods", "bind")],
    )
    made = fleet.api.create_container(
        fleet.image, name=name, host_config=config, ports=[(8080, "tcp")]
    )["Id"]
    fleet.api.start(made)
    fleet.api.stop(made, timeout=5)
    yield name, port, world
    fleet.api.remove_container(made, force=True)


def test_7_a_stopped_container_has_its_ports_and_its_mounts(
    fleet: Machine, stopped: tuple[str, int, Path]
) -> None:
    name, port, world = stopped
    rows = json.loads(fleet.zedops("ports", "--json").stdout)
    (row,) = [each for each in rows if each["port"] == port]
    assert (row["server"], row["protocol"]) == (None, "tcp")
    assert name in row["holder"]
    assert "stopped" in row["holder"]
    free = fleet.zedops("ports", "--free", "1", "--tcp", "--from", str(port), "--json").stdout
    assert json.loads(free) != [port]
    text = fleet.zedops("import", name, "--print").stdout
    assert f'"{port}:8080/tcp"' in text
    assert f"path: /data, source: {world}/saves" in text
    assert f"path: /mods, source: {world}/mods" in text


def test_8_a_rebuild_takes_the_new_images_defaults_and_a_bad_one_is_undone(
    fleet: Machine, published: str, releases: list[str]
) -> None:
    api, name = fleet.api, published.removesuffix(":1")

    def release(*changes: str) -> None:
        """Publish another image under the same tag; the host is not told."""
        releases.append(changed(api, fleet.image, *changes))
        publish(api, releases[-1], name)
        with contextlib.suppress(docker.errors.ImageNotFound):
            api.remove_image(published, force=True, noprune=True)

    release("ENV MODE=old ONLY_OLD=1", "LABEL flavour=old only.old=1")
    begin(fleet, "rebuilt", "env: {GREET: ada}", "labels: {team: red}", image=published)
    first = fleet.container("rebuilt")
    release("ENV MODE=new", "LABEL flavour=new")
    fleet.zedops("rebuild", "rebuilt", "--wait")
    second = fleet.container("rebuilt")
    assert first is not None
    assert second is not None
    assert {"MODE=old", "ONLY_OLD=1"} <= set(first["Config"]["Env"])
    env = [each for each in second["Config"]["Env"] if not each.startswith("PATH=")]
    assert sorted(env) == ["GREET=ada", "MODE=new"]
    theirs = {key: each for key, each in second["Config"]["Labels"].items() if "zedops" not in key}
    labels = {key: each for key, each in theirs.items() if key != "made-for"}  # of the test image
    assert labels == {"flavour": "new", "team": "red"}

    release('CMD ["/bin/sh", "-c", "echo a bad release; exit 7"]')
    fleet.zedops("rebuild", "rebuilt")
    message = wait_status(fleet, "rebuilt", "failed")["message"]
    assert "last exit code 7; last log lines: a bad release" in message
    fleet.wait_for(lambda: is_running(fleet, "rebuilt"))
    assert runs(fleet, "rebuilt")[0] == second["Id"]
    assert [each["Id"] for each in mine(fleet, "rebuilt")] == [second["Id"]]
    wait_starts(fleet, "rebuilt", 3)
    fleet.zedops("delete", "rebuilt", "--yes", "--wait")


@contextlib.contextmanager
def watched_processes() -> Iterator[set[str]]:
    """Collect the command line of every process that is seen meanwhile."""
    seen: set[str] = set()
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.02):
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(each.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


def test_9_a_secret_is_in_nothing_that_anybody_else_reads(fleet: Machine) -> None:
    canary = f"correct-horse-{uuid.uuid4().hex}"
    secret = fleet.data_root / "secrets" / fleet.fleet / "guarded" / "ADMIN_PASSWORD"
    with watched_processes() as processes:
        path = write(fleet, "guarded", "secrets: [ADMIN_PASSWORD]",
                     command('echo "the password is $ADMIN_PASSWORD"; exit 7'))
        assert f"secret ADMIN_PASSWORD is not set; write it to {secret}" in fleet.push("guarded")
        secret.parent.mkdir(parents=True)
        secret.write_text(f"{canary}\n")
        fleet.pull()
        fleet.zedops("retry", "guarded")
        said = "last log lines: the password is ***"
        fleet.wait_for(lambda: said in str(state(fleet, "guarded")["message"]))
        fleet.pull()
        edit(fleet, path, "exit 7", LOOP)
        assert became(fleet.git("push"), "guarded", "running")
    container = fleet.container("guarded")
    assert container is not None
    assert f"ADMIN_PASSWORD={canary}" in container["Config"]["Env"]

    assert not [each for each in processes if canary in each]
    shown = [
        fleet.zedops(*asked).stdout for asked in
        (["list", "--json"], ["show", "guarded", "--json"], ["show", "guarded"], ["diff"],
         ["history", "guarded", "--json"], ["ports", "--json"], ["orphans", "--json"])
    ]
    shown.append(fleet.git("log", "--all", "-p", "--format=raw", cwd=fleet.hub))
    shown.append(fleet.zedops("logs", "guarded", "--tail", "0").stdout)
    assert any("guarded" in each for each in shown)
    assert not [each for each in shown if canary in each]
    kept = secret.parents[1]  # where the host keeps it, by the server's id
    files = [each for each in fleet.folder.rglob("*")
             if each.is_file() and kept not in each.parents]
    assert fleet.log in files
    assert not [each for each in files if canary.encode() in content(each)]


def content(file: Path) -> bytes:
    """Read a file; what git or zedops took away since it was listed is empty."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes()
    return b""


def test_10_what_fails_for_a_moment_heals_without_anybodys_doing(
    fleet: Machine, wire: Relay
) -> None:
    path = begin(fleet, "patient")
    fleet.wait_for(lambda: starts(fleet, "patient") == 1)
    with wire.cut():
        fleet.api.remove_container(f"{fleet.fleet}-patient", force=True)
        add(fleet, path, "restart: monday")
        fleet.git("push", "-o", "no-wait")
        wire.wait_met(4)  # so it was looked at, or would have been
        assert fleet.state("patient")["status"] == "running"
        assert mine(fleet, "patient") == []
    fleet.wait_for(lambda: starts(fleet, "patient") == 2)
    fleet.wait_for(lambda: "recovered" in str(state(fleet, "patient")["message"]))

    with locked(fleet) as waits:
        fleet.api.stop(f"{fleet.fleet}-patient", timeout=5)
        fleet.wait_for(lambda: starts(fleet, "patient") == 3)  # healed, and not to be told
        before = waits()
    fleet.wait_for(lambda: len(told(fleet, "patient")) > before)
    fleet.wait_for(lambda: told(fleet, "patient")[-1].endswith("→ running"))
    assert fleet.state("patient")["status"] == "running"


@contextlib.contextmanager
def locked(fleet: Machine) -> Iterator[Callable[[], int]]:
    """Keep the hub's main from moving, as a git that was killed there would."""
    lock = fleet.hub / "refs" / "heads" / "main.lock"
    lock.touch(exist_ok=False)
    try:
        yield lambda: len(told(fleet, "patient"))
    finally:
        lock.unlink()
