"""Two hosts on machines of their own, one manager, NATS between them: the life of servers on both.

Every test has servers of its own and leaves hosts and network as it found them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from tests.machine import DEADLINE_S, became
from tests.system.many import Many, two_hosts
from zedops.control import client
from zedops.errors import HostUnavailable

pytestmark = [
    pytest.mark.docker, pytest.mark.nats, pytest.mark.system,
    pytest.mark.xdist_group("many"),  # two Engines are enough
]  # fmt: skip

#: A host that went silent is told of within this.
LOST_S = 25.0


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Many]:
    with two_hosts(tmp_path_factory.mktemp("many"), docker_api, image) as made:
        yield made


def begin(many: Many, name: str, host: str, port: int | None = None) -> None:
    """Push a server for a host and see it run."""
    many.pull()
    many.place(name, host, port, GREET="ada")
    said = many.push(f"{name}: begin")
    assert became(said, name, "running"), (said, many.said())
    many.pull()
    many.wait_for(lambda: many.state(name).get("data_exists"))


def world_of(many: Many, name: str, host: str) -> Path:
    """Say where a server notes its starts on a host."""
    server_id: str = many.state(name)["id"]
    return many.hosts[host].data_root / "servers" / server_id / "world" / "world.txt"


def wait_lines(many: Many, world: Path, count: int) -> None:
    """Wait until a server has begun so often: it writes that down a moment after it runs."""
    many.wait_for(lambda: world.exists() and world.read_text().count("\n") >= count)


def settled(many: Many, name: str, status: str = "running") -> None:
    many.wait_for(lambda: many.state(name).get("status") == status, 60)


def test_a_server_lives_on_the_host_that_its_definition_names(many: Many) -> None:
    begin(many, "rosewood", "attic", 16261)
    begin(many, "muldraugh", "cellar", 16261)
    many.runs_on("rosewood", "attic")
    many.runs_on("muldraugh", "cellar")
    many.place("rosewood", "attic", 16261, GREET="bob")
    assert "rosewood" in many.push("rosewood: greet bob")
    greets(many, "rosewood", "attic", "bob")
    world = world_of(many, "rosewood", "attic")
    wait_lines(many, world, 2)
    many.pull()
    many.zedops("delete", "rosewood", "--yes", "--wait")
    assert many.on("rosewood") == []
    many.zedops("restore", "rosewood", "--wait")
    many.runs_on("rosewood", "attic")
    wait_lines(many, world, 3)
    assert world.read_text().splitlines() == [
        "started greeting ada", "started greeting bob", "started greeting bob",
    ]
    many.zedops("delete", "rosewood", "--yes", "--wait")
    many.zedops("purge", "rosewood", "--data", "--yes", "--wait")
    many.wait_for(lambda: not world.parent.parent.exists())


def test_logs_commands_ports_and_sizes_come_from_any_host(many: Many) -> None:
    begin(many, "westpoint", "cellar", 16300)
    assert "up, greeting ada" in many.zedops("logs", "westpoint").stdout
    assert "up, greeting ada" in many.zedops("logs", "westpoint", "--grep", "GREETING").stdout
    following = subprocess.Popen(
        [sys.executable, "-u", "-m", "zedops", "logs", "-f", "westpoint"], cwd=many.clone,
        stdout=subprocess.PIPE, text=True,
    )
    try:
        assert following.stdout is not None
        assert "up, greeting ada" in following.stdout.readline()
        many.hosts["cellar"].api.restart(f"{many.fleet}-westpoint", timeout=5)
        assert "bye" in following.stdout.readline()
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=20)
    settled(many, "westpoint")
    said = many.zedops("exec", "westpoint", "--", "/bin/busybox", "cat", "/data/world.txt").stdout
    assert said.startswith("started greeting ada\n")
    failed = many.zedops("exec", "westpoint", "--", "/bin/sh", "-c", "echo no; exit 3", code=3)
    assert failed.stdout == "no\n"
    uses = json.loads(many.zedops("ports", "--host", "cellar", "--json").stdout)
    assert any(each["port"] == 16300 for each in uses), uses
    volumes = json.loads(many.zedops("data", "westpoint", "--json").stdout)
    assert [(each["volume"], each["exists"], each["host"]) for each in volumes] == [
        ("world", True, "cellar")
    ]
    assert volumes[0]["size_bytes"] >= len("started greeting ada\n")


def test_a_terminal_reaches_a_container_on_any_host(many: Many) -> None:
    begin(many, "hilltop", "cellar")
    name, told = "0" * 31 + "1", ""
    request = {"kind": "terminal", "server_id": many.state("hilltop")["id"], "terminal": name,
               "command": ["/bin/sh"], "columns": 100, "rows": 30, "who": "Ada"}

    def type_in(number: int, text: str, **more: object) -> None:
        asked = {"kind": "type", "terminal": name, "number": number,
                 "data": b64encode(text.encode()).decode(), **more}
        client.ask_hub(many.hub, {"do": "call", "host": "cellar", "request": asked}, lambda _: None)

    stream = client.streamed(many.hub, request)
    for piece in stream:
        if not told:
            type_in(1, "cat /data/world.txt; echo sum $((40+2))\n")
            type_in(1, "echo sum $((1+1))\n")  # sent twice, and taken once
        told += piece
        if "sum 42" in told:
            type_in(2, "", ends=True)
    assert "started greeting ada" in told
    assert "sum 2" not in told
    with pytest.raises(HostUnavailable, match="has ended"):
        type_in(3, "x")
    many.zedops("delete", "hilltop", "--yes")


def test_a_server_without_data_moves_to_another_host(many: Many) -> None:
    many.pull()
    many.write("servers.d/lobby.yaml", f"host: attic\nimage: {many.image}\nstop: {{grace: 5s}}\n")
    many.push("lobby: begin")
    settled(many, "lobby")
    many.pull()
    text = (many.clone / "servers.d/lobby.yaml").read_text()
    many.write("servers.d/lobby.yaml", text.replace("host: attic", "host: cellar", 1))
    many.push("lobby: to the cellar")
    many.runs_on("lobby", "cellar")
    settled(many, "lobby")
    assert many.state("lobby")["host"] == "cellar"


def test_a_server_with_data_moves_and_waits_until_somebody_brings_its_world(many: Many) -> None:
    begin(many, "fallas", "attic")
    server_id = many.state("fallas")["id"]
    homes = [many.hosts[name].data_root / "servers" / server_id for name in ("attic", "cellar")]
    assert "would stay behind" in edit_host(many, "fallas", "attic", "cellar")
    many.git("reset", "--quiet", "--hard", "origin/main")

    asked = many.zedops("move", "fallas", "--host", "cellar", "--without-world", code=130)
    assert f"world: {homes[0]}/world" in asked.stdout
    many.runs_on("fallas", "attic")
    said = leave(many, "fallas", "cellar")
    assert "volume 'world' is not here yet; it was on host 'attic'" in said.stderr
    assert many.on("fallas") == []
    assert (homes[0] / "world" / "world.txt").exists()
    assert many.state("fallas")["host"] == "cellar"
    refused = many.zedops("orphans", "--remove", "fallas", "--data", "--yes", code=1)
    assert "fallas lives on cellar; it left this on attic" in refused.stderr

    shutil.copytree(homes[0], homes[1].with_suffix(".part"))
    homes[1].with_suffix(".part").rename(homes[1])
    settled(many, "fallas")
    many.runs_on("fallas", "cellar")
    world = homes[1] / "world" / "world.txt"
    wait_lines(many, world, 2)
    assert world.read_text() == "started greeting ada\n" * 2
    assert "already" in many.zedops("move", "fallas", "--host", "cellar").stdout
    asked = many.zedops("move", "fallas", "--host", "attic", "--without-world", code=130)
    assert f"attic HAS DATA OF IT ALREADY, in {homes[0]}: it is started" in asked.stdout


def leave(many: Many, name: str, host: str) -> subprocess.CompletedProcess[str]:
    """Move a server and leave its world; that ends with a server that waits for its world."""
    words = ("move", name, "--host", host, "--without-world", "--yes", "--wait")
    return many.zedops(*words, code=1)


def edit_host(many: Many, name: str, old: str, new: str) -> str:
    """Push another host by hand; returns what was said."""
    path = many.clone / f"servers.d/{name}.yaml"
    path.write_text(path.read_text().replace(f"host: {old}", f"host: {new}", 1))
    many.git("commit", "--quiet", "--all", "-m", f"{name}: to {new}")
    return many.git("push", code=1)


def test_a_token_works_once_and_within_its_time(many: Many) -> None:
    attic = many.hosts["attic"]
    used = many.invite("shed")
    joined = attic.zedops("agent", "join", used, "--no-run", "--data-root", str(attic.folder / "a"))
    assert joined.wait(60) == 0, attic.said()
    kept = attic.folder / "a" / "agent" / many.fleet / "membership.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    again = attic.zedops("agent", "join", used, "--no-run", "--data-root", str(attic.folder / "b"))
    assert again.wait(60) == 1
    assert "this token was used already" in attic.said()
    late, said_before = many.invite("shed", "--ttl", "1s"), len(attic.log.read_text())
    time.sleep(2)
    expired = attic.zedops("agent", "join", late, "--no-run",
                           "--data-root", str(attic.folder / "c"))
    assert expired.wait(90) == 1
    # the host's own agent writes into that log, too
    assert "expired" in attic.log.read_text()[said_before:]
    many.zedops("host", "remove", "shed", "--yes")
    assert "shed" not in (many.git("show", "origin/main:zedops.yaml"))


def test_a_host_that_is_cut_off_goes_on_and_tells_afterwards(many: Many) -> None:
    begin(many, "riverside", "attic")
    begin(many, "louisville", "attic")
    begin(many, "ekron", "cellar")
    attic = many.hosts["attic"]
    told = sum("→ unknown" in each for each in many.subjects())
    attic.cut()
    cut_at = datetime.now(UTC)
    try:
        # what happens there meanwhile
        before = many.of("attic", "riverside")
        assert before is not None
        attic.api.remove_container(before["Id"], force=True)
        many.wait_for(lambda: (many.of("attic", "riverside") or before)["Id"] != before["Id"])
        # and here
        many.place("ekron", "cellar", GREET="bob")
        assert "ekron" in many.push("ekron: greet bob")
        greets(many, "ekron", "cellar", "bob")
        many.wait_for(lambda: many.state("riverside").get("status") == "unknown", LOST_S + 5)
        # by the manager's own word: what was done here meanwhile may have taken longer
        since = datetime.fromisoformat(many.state("riverside")["since"])
        assert since - cut_at <= timedelta(seconds=LOST_S)
        # one commit for all servers of a host; its first line does not name them all
        assert sum("→ unknown" in each for each in many.subjects()) == told + 1
        many.pull()
        many.place("riverside", "attic", GREET="eve")
        said = many.push("riverside: greet eve")
        assert "it waits for host 'attic', which does not answer" in said
    finally:
        attic.heal()
    greets(many, "riverside", "attic", "eve")
    settled(many, "riverside")
    settled(many, "louisville")
    many.pull()
    assert sum("unknown → running" in each for each in moves(many, "louisville")) == 1
    assert any("unknown → missing" in each for each in moves(many, "riverside")), (
        "it says what happened there"
    )
    many.runs_on("riverside", "attic")


def moves(many: Many, name: str) -> list[str]:
    """List what the history says that a server went through."""
    told = json.loads(many.zedops("history", name, "--json").stdout)
    return [each["transition"] for entry in told for each in entry["transitions"]
            if each["server"] == name]


def test_a_purge_waits_for_its_host(many: Many) -> None:
    begin(many, "marchridge", "attic")
    server_id = many.state("marchridge")["id"]
    home = many.hosts["attic"].data_root / "servers" / server_id
    many.zedops("delete", "marchridge", "--yes", "--wait")
    many.hosts["attic"].down()
    try:
        many.zedops("purge", "marchridge", "--data", "--yes")
        many.wait_for(
            lambda: any("marchridge" in (row["name"], "") and "waits" in str(row["message"])
                        for row in json.loads(many.zedops("list", "--all", "--json").stdout)),
            LOST_S + 10,
        )
        assert home.is_dir()
    finally:
        many.hosts["attic"].run()
    many.wait_for(lambda: not home.exists(), 60)
    many.wait_for(lambda: "marchridge" not in many.zedops("list", "--all", "--json").stdout)


@pytest.mark.parametrize("victim", ["manager", "nats", "agent"])
def test_whoever_is_killed_comes_back_to_the_same_place(many: Many, victim: str) -> None:
    name = f"killed-{victim}"
    begin(many, name, "attic")
    many.place(name, "attic", GREET="bob")
    attic = many.hosts["attic"]
    match victim:
        case "manager":
            many.down(kill=True)
            many.push(f"{name}: greet bob")
            # healed from the document on disk while nobody is there to ask
            old = many.of("attic", name)
            assert old is not None
            attic.api.remove_container(old["Id"], force=True)
            many.wait_for(lambda: many.of("attic", name) is not None)
            many.up()
        case "nats":
            os.kill(many.nats_pid(), signal.SIGKILL)
            many.push(f"{name}: greet bob")
        case _:
            attic.down(kill=True)
            attic.api.kill(f"{many.fleet}-{name}")
            many.git("add", "--all")
            many.git("commit", "--quiet", "-m", f"{name}: greet bob")
            many.git("push", "-o", "no-wait")
            attic.run()
    greets(many, name, "attic", "bob")
    settled(many, name)
    many.runs_on(name, "attic")
    many.wait_for(lambda: many.answers("attic"), DEADLINE_S)


def test_a_host_that_is_put_out_is_out_at_once_and_may_come_back(many: Many) -> None:
    begin(many, "valley", "cellar")
    many.zedops("host", "remove", "cellar", "--yes")
    settled(many, "valley", "unknown")
    many.runs_on("valley", "cellar")
    assert not many.answers("cellar")
    cellar = many.hosts["cellar"]
    cellar.down()
    cellar.join(many.invite("cellar"))
    settled(many, "valley")
    many.runs_on("valley", "cellar")


def test_faults_in_any_order_while_edits_are_pushed_end_in_the_same_place(many: Many) -> None:
    names = {"irvington": "attic", "doe-valley": "cellar"}
    for name, host in names.items():
        begin(many, name, host)
    chance = random.Random(FAULT_SEED)  # noqa: S311 - to be repeated
    lines = {name: ["started greeting ada"] for name in names}
    for number in range(8):
        attic, cellar = many.hosts["attic"], many.hosts["cellar"]
        fault = chance.choice(["manager", "nats", "attic", "cellar", "cable", "drift"])
        match fault:
            case "manager":
                many.down(kill=True)
            case "nats":
                os.kill(many.nats_pid(), signal.SIGKILL)
            case "attic" | "cellar":
                many.hosts[fault].down(kill=True)
            case "cable":
                attic.cut()
            case _:
                cellar.api.remove_container(f"{many.fleet}-doe-valley", force=True)
        for name, host in names.items():
            many.pull()
            many.place(name, host, GREET=f"g{number}")
            many.git("add", "--all")
            many.git("commit", "--quiet", "-m", f"{name}: greet g{number}")
            many.git("push", "-o", "no-wait")
        match fault:
            case "manager":
                many.up()
            case "attic" | "cellar":
                many.hosts[fault].run()
            case "cable":
                attic.heal()
        if chance.random() < 0.5:  # else the next fault meets the work that this one left
            for name, host in names.items():
                greets(many, name, host, f"g{number}")
    for name, host in names.items():
        greets(many, name, host, "g7")
        settled(many, name)
        many.runs_on(name, host)
        world = world_of(many, name, host)
        assert world.read_text().startswith("\n".join(lines[name])), "its world is the same one"
        # it writes that down a moment after it runs
        many.wait_for(lambda world=world: world.read_text().endswith("started greeting g7\n"))  # type: ignore[misc]
    many.check_hub()


def greets(many: Many, name: str, host: str, whom: str) -> None:
    """Wait until a server's container is of its newest definition."""
    many.wait_for(lambda: f"GREET={whom}" in (many.of(host, name) or _NOTHING)["Config"]["Env"], 90)


_NOTHING: dict[str, dict[str, list[str]]] = {"Config": {"Env": []}}
FAULT_SEED = 4
