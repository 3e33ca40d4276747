"""The main job from end to end, only through git and the command line, as a user does it."""

from __future__ import annotations

import json

import pytest

from tests.machine import Machine, became, free_port
from tests.system.servers import wait_begun

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture
def running(machine: Machine) -> tuple[Machine, int]:
    """A fleet with one running server."""
    port = free_port()
    machine.init()
    machine.up()
    machine.define("rosewood", port, GREET="ada")
    said = machine.push("rosewood: begin")
    assert became(said, "rosewood", "running")
    wait_begun(machine, "rosewood")  # no commit of zedops' own comes any more
    machine.pull()
    return machine, port


def test_a_push_becomes_a_running_container_and_its_state_a_commit(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    assert machine.get(port) == "hello ada\n"
    text = (machine.clone / "servers.d/rosewood.yaml").read_text()
    assert text.startswith(f"image: {machine.image}\n")
    assert '\n\n# --- state: written by zedops; edits below this line are overwritten\n' in text
    facts = machine.state("rosewood")
    assert (facts["status"], facts["host"], facts["message"]) == ("running", "local", None)
    container = machine.container("rosewood")
    assert container is not None
    assert facts["container"] == container["Id"][:12]
    begin = machine.git("log", "-1", "--format=%h", "--grep=rosewood: begin").strip()
    assert facts["commit"] == begin
    body = machine.git("log", "-1", "--author=zedops", "--format=%B")
    assert "Zedops-Host: local" in body
    assert f"Zedops-Server: rosewood {facts['id']}" in body
    assert f"Zedops-Commit: {begin}" in body
    assert any("creating → running" in subject for subject in machine.subjects())
    assert machine.git("status", "--porcelain", "--branch").strip() == "## main...origin/main"


def test_an_edit_recreates_only_the_container_it_is_about(running: tuple[Machine, int]) -> None:
    machine, port = running
    machine.define("muldraugh", other := free_port(), GREET="bob")
    machine.push("muldraugh: begin")
    machine.pull()
    before = {name: machine.container(name) for name in ("rosewood", "muldraugh")}
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text(path.read_text().replace("GREET: ada", "GREET: eve   # a new neighbour"))
    said = machine.push("rosewood: greet eve")
    assert became(said, "rosewood", "running")
    assert "muldraugh" not in said
    assert machine.get(port) == "hello eve\n"
    assert machine.get(other) == "hello bob\n"
    after = {name: machine.container(name) for name in ("rosewood", "muldraugh")}
    assert after["muldraugh"]["State"]["StartedAt"] == before["muldraugh"]["State"]["StartedAt"]  # type: ignore[index]
    assert after["rosewood"]["Id"] != before["rosewood"]["Id"]  # type: ignore[index]
    machine.pull()
    assert "GREET: eve   # a new neighbour" in path.read_text()
    assert machine.world("rosewood") == "started greeting ada\nstarted greeting eve\n"


def test_a_comment_touches_no_container_and_makes_no_state_commit(
    running: tuple[Machine, int],
) -> None:
    machine, _ = running
    before, subjects = machine.container("rosewood"), machine.subjects()
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text("# the quiet one\n" + path.read_text())
    said = machine.push("rosewood: a comment")
    assert "remote: rosewood running" in said
    after = machine.container("rosewood")
    assert before is not None
    assert after is not None
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert machine.subjects() == ["rosewood: a comment", *subjects]


def test_a_container_removed_by_hand_is_healed_and_said_so(running: tuple[Machine, int]) -> None:
    machine, port = running
    before = machine.container("rosewood")
    assert before is not None
    machine.api.remove_container(before["Id"], force=True)
    machine.wait_for(lambda: any("running → missing" in each for each in machine.subjects()))
    machine.wait_for(lambda: machine.subjects()[0].endswith("→ running"))
    assert machine.get(port) == "hello ada\n"
    assert str(machine.state("rosewood")["message"]).startswith("recovered: ")
    assert machine.world("rosewood").count("started") == 2


def test_git_rm_leaves_a_tombstone_and_the_data_and_git_revert_brings_both_back(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    facts = machine.state("rosewood")
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    machine.pull()
    machine.git("rm", "--quiet", "servers.d/rosewood.yaml")
    machine.git("commit", "--quiet", "-m", "rosewood: no longer played")
    said = machine.git("push")
    assert became(said, "rosewood", "deleted"), said
    assert machine.containers() == []
    machine.pull()
    assert not (machine.clone / "servers.d/rosewood.yaml").exists()
    grave = (machine.clone / "tombstones.d/rosewood.yaml").read_text()
    assert 'status: "deleted"' in grave
    assert "deleted_at: null" not in grave
    assert machine.world("rosewood") == "started greeting ada\n"

    removal = machine.git("log", "-1", "--format=%H", "--grep=no longer played").strip()
    machine.git("revert", "--no-edit", removal)
    said = machine.git("push")
    assert became(said, "rosewood", "running")
    assert machine.get(port) == "hello ada\n"
    again = machine.state("rosewood")
    assert (again["id"], again["status"], again["deleted_at"]) == (facts["id"], "running", None)
    assert machine.world("rosewood") == "started greeting ada\n" * 2
    machine.pull()
    assert not (machine.clone / "tombstones.d/rosewood.yaml").exists()


def test_a_bad_push_is_refused_with_all_its_errors_and_changes_nothing(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    before = machine.subjects()
    machine.write("servers.d/bad.yaml", f'imag: x\nports:\n  web: "{port}:80"\nimage: ok\n')
    machine.write("servers.d/worse.yaml", "image: [\n")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "two bad files")
    said = machine.git("push", code=1)
    assert "servers.d/bad.yaml:1:1: imag: unknown key; did you mean 'image'?" in said
    assert "servers.d/worse.yaml:2:1: not valid YAML" in said
    assert "refused: 2 problems, nothing was changed" in said
    assert machine.subjects() == before
    machine.write("servers.d/bad.yaml", f'ports:\n  web: "{port}:80"\nimage: ok\n')
    machine.git("rm", "--quiet", "--cached", "servers.d/worse.yaml")
    machine.git("commit", "--quiet", "--all", "-m", "one port twice")
    said = machine.git("push", code=1)
    assert f"host port {port}/tcp is also used by 'rosewood'" in said
    assert machine.subjects() == before


def test_the_commands_act_by_committing(running: tuple[Machine, int]) -> None:
    machine, port = running
    machine.write("servers.d/notes.txt", "mine, not committed\n")
    machine.zedops("stop", "rosewood", "--wait")
    stopped = machine.container("rosewood")
    assert stopped is not None
    assert (stopped["State"]["Running"], stopped["State"]["ExitCode"]) == (False, 0)
    machine.zedops("start", "rosewood", "--wait")
    assert machine.get(port) == "hello ada\n"
    first = machine.container("rosewood")
    machine.zedops("restart", "rosewood", "--wait")
    second = machine.container("rosewood")
    assert first is not None
    assert second is not None
    assert first["Id"] == second["Id"]
    assert first["State"]["StartedAt"] != second["State"]["StartedAt"]
    machine.zedops("delete", "rosewood", "--yes", "--wait")
    assert machine.containers() == []
    machine.zedops("restore", "rosewood", "--wait")
    assert machine.get(port) == "hello ada\n"
    taken = json.loads(machine.zedops("ports", "--json").stdout)
    assert [each for each in taken if each["port"] == port] == [
        {"host": "local", "port": port, "protocol": "tcp", "server": "rosewood", "key": "web",
         "holder": None}
    ]
    (free,) = json.loads(machine.zedops("ports", "--for", "rosewood", "--json").stdout).values()
    assert free == port  # its own port is not in its way
    near = machine.zedops("ports", "--free", "2", "--tcp", "--from", str(port - 1), "--json")
    assert port not in json.loads(near.stdout)
    log = machine.zedops("logs", "rosewood").stdout
    assert "up, greeting ada" in log
    history = json.loads(machine.zedops("history", "rosewood", "--json").stdout)
    asked = [entry["what"] for entry in history if entry["who"] == "Ada"]
    assert asked == [
        "rosewood: begin", "rosewood: stop", "rosewood: start", "rosewood: restart",
        "rosewood: delete", "rosewood: restore",
    ]
    assert machine.git("status", "--porcelain").strip() == "?? servers.d/notes.txt"


def test_servers_outlive_zedops_and_are_taken_over_again(running: tuple[Machine, int]) -> None:
    machine, port = running
    before = machine.container("rosewood")
    machine.down()
    assert machine.get(port) == "hello ada\n"
    machine.up()
    machine.zedops("restart", "rosewood", "--wait")
    after = machine.container("rosewood")
    assert before is not None
    assert after is not None
    assert after["Id"] == before["Id"]


def test_a_push_without_a_manager_is_checked_and_happens_later(
    running: tuple[Machine, int],
) -> None:
    machine, port = running
    machine.down()
    path = machine.clone / "servers.d/rosewood.yaml"
    machine.pull()
    path.write_text(path.read_text().replace("GREET: ada", "GREETING"))
    machine.git("commit", "--quiet", "--all", "-m", "a slip")
    assert "servers.d/rosewood.yaml:7:" in machine.git("push", code=1)
    path.write_text(path.read_text().replace("GREETING", "GREET: late"))
    machine.git("commit", "--quiet", "--all", "-m", "the slip mended")
    assert "no manager is running" in machine.git("push")
    machine.up()
    machine.wait_for(lambda: machine.get(port) == "hello late\n")


def test_the_agent_heals_from_its_last_document_without_a_manager(
    running: tuple[Machine, int],
) -> None:
    import subprocess
    import sys

    machine, port = running
    machine.down()
    alone = subprocess.Popen(
        [sys.executable, "-m", "zedops", "agent", "run", machine.fleet,
         "--data-root", str(machine.data_root)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    try:
        container = machine.container("rosewood")
        assert container is not None
        machine.api.remove_container(container["Id"], force=True)
        assert machine.get(port) == "hello ada\n"
        assert machine.wait_for(lambda: machine.container("rosewood")) is not None
    finally:
        alone.terminate()
        said, _ = alone.communicate(timeout=30)
        assert alone.returncode == 0, said


def test_an_emptied_servers_d_is_refused_until_it_is_said_twice(
    running: tuple[Machine, int],
) -> None:
    machine, _ = running
    machine.define("muldraugh")
    machine.push("muldraugh: begin")
    machine.pull()
    machine.git("rm", "--quiet", "-r", "servers.d")
    machine.git("commit", "--quiet", "-m", "a script gone wrong")
    said = machine.git("push", code=1)
    assert "servers.d/: this push would delete every server (2)" in said
    assert "git push -o allow-delete=muldraugh,rosewood" in said
    assert len(machine.containers()) == 2
    machine.git("push", "-o", "allow-delete=all")
    assert machine.containers() == []


def test_a_purge_removes_the_data_only_where_it_asks_for_it(running: tuple[Machine, int]) -> None:
    machine, _ = running
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    first = machine.state("rosewood")["id"]
    home = machine.data_root / "servers" / first
    machine.zedops("purge", "rosewood", "--yes", code=1)
    machine.zedops("delete", "rosewood", "--yes", "--wait")
    machine.zedops("purge", "rosewood", "--yes")
    machine.wait_for(lambda: machine.state("rosewood") == {})
    assert (home / "world" / "world.txt").exists()

    machine.pull()
    machine.define("rosewood")
    machine.push("rosewood: another one under the old name")
    second = machine.state("rosewood")["id"]
    assert second != first
    machine.wait_for(lambda: machine.state("rosewood")["data_exists"])
    refused = machine.zedops("purge", "rosewood", "--data", "--yes", code=2).stderr
    assert "it would be stopped and removed with its data at once; say so with `--con" in refused
    assert (machine.data_root / "servers" / second / "world" / "world.txt").exists()
    said = machine.zedops("purge", "rosewood", "--data", "--confirm", "rosewood", "--wait").stderr
    assert "plan: rosewood: purge (it is stopped first), data removed at once" in said
    assert machine.state("rosewood") == {}
    assert not (machine.data_root / "servers" / second).exists()
    assert (home / "world" / "world.txt").exists()
    assert machine.containers() == []
    assert machine.subjects()[0] == "rosewood: purged"


def test_the_retention_ends_in_a_commit_also_after_the_manager_was_away(
    running: tuple[Machine, int],
) -> None:
    machine, _ = running
    path = machine.clone / "zedops.yaml"
    path.write_text(path.read_text().replace("retention: 24h", "retention: 3s"))
    machine.push("a short memory")
    server_id = machine.state("rosewood")["id"]
    machine.zedops("delete", "rosewood", "--yes", "--wait")
    machine.down()
    machine.up()
    machine.wait_for(lambda: machine.subjects()[0] == "rosewood: purged")
    assert machine.git("ls-tree", "--name-only", "main", "tombstones.d/", cwd=machine.hub) == ""
    assert (machine.data_root / "servers" / server_id / "world" / "world.txt").exists()
