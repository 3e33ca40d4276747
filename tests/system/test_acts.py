"""What `--wait` says is what happened, wherever a server's file is; its exit code says it, too."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command, is_running, state, write

pytestmark = [pytest.mark.docker, pytest.mark.system]

NOWHERE = "127.0.0.1:1/nothing:1"


def test_acts_on_a_server_in_a_folder_say_what_came_of_it(fleet: Machine) -> None:
    write(fleet, "eu/deep/folded", command(LOOP))
    fleet.push("folded: begin")
    assert fleet.zedops("stop", "folded", "--wait").stdout == "folded stopped\n"
    assert fleet.zedops("stop", "folded", "--wait").stdout == "folded is already stopped\n"
    assert fleet.zedops("start", "folded", "--wait").stdout == "folded running\n"
    assert fleet.zedops("restart", "folded", "--wait").stdout == "folded running\n"
    assert fleet.zedops("delete", "folded", "--yes", "--wait").stdout == "folded deleted\n"
    names = fleet.zedops("list", "--json").stdout
    assert '"folded"' not in names
    assert fleet.zedops("restore", "folded", "--wait").stdout == "folded running\n"
    fleet.pull()
    assert (fleet.clone / "servers.d/eu/deep/folded.yaml").exists()
    assert not (fleet.clone / "servers.d/folded.yaml").exists()
    said = fleet.zedops("purge", "folded", "--data", "--confirm", "folded", "--wait").stdout
    assert said == "folded is purged\n"


def _is_later_than(second: float) -> bool:
    return time.time() // 1 > second


def test_what_failed_in_a_folder_ends_with_code_one(fleet: Machine) -> None:
    write(fleet, "eu/doomed", image=NOWHERE)
    fleet.push("doomed: begin")
    for verb in ("retry", "restart", "rebuild"):
        asked_s = time.time() // 1  # the token of an act is of its second
        fleet.wait_for(partial(_is_later_than, asked_s))
        done = fleet.zedops(verb, "doomed", "--wait", code=1)
        assert done.stdout == "doomed failed\n"
        assert "cannot pull" in done.stderr
    done = fleet.zedops("start", "doomed", "--wait", code=1)
    assert "doomed: its definition already says running, and it is failed: " in done.stderr
    assert "`zedops retry doomed` tries again" in done.stderr
    fleet.zedops("purge", "doomed", "--data", "--confirm", "doomed", "--wait")


def test_a_server_that_is_well_is_not_restarted_by_a_retry(fleet: Machine) -> None:
    begin(fleet, "well", command(LOOP))
    before = fleet.container("well")
    said = fleet.zedops("retry", "well", "--wait").stdout
    assert said.startswith("well is running: nothing failed, so there is nothing to retry; ")
    after = fleet.container("well")
    assert before is not None
    assert after is not None
    assert before["State"]["StartedAt"] == after["State"]["StartedAt"]
    assert is_running(fleet, "well")
    assert state(fleet, "well")["status"] == "running"


def test_several_servers_change_in_one_commit_and_each_says_what_came_of_it(
    fleet: Machine,
) -> None:
    for name in ("herd/one", "herd/two", "lone"):
        write(fleet, name, command(LOOP), "labels: {kind: herd}")
    fleet.push("herd: begin")
    before = fleet.git("rev-parse", "main", cwd=fleet.hub)
    planned = fleet.zedops("stop", "herd/", "--dry-run").stdout
    assert planned.startswith("would commit: one, two: stop\n")
    assert fleet.git("rev-parse", "main", cwd=fleet.hub) == before
    said = fleet.zedops("stop", "servers.d/herd/", "lone", "--wait").stdout
    assert sorted(said.splitlines()) == ["lone stopped", "one stopped", "two stopped"]
    assert fleet.subjects().count("lone, one, two: stop") == 1
    said = fleet.zedops("start", "--label", "kind=herd", "--host", "local", "--wait").stdout
    assert sorted(said.splitlines()) == ["lone running", "one running", "two running"]
    (fleet.clone / "servers.d/herd/bad.yaml").write_text(f"image: {NOWHERE}\n")
    fleet.push("bad: begin")
    fleet.wait_for(lambda: state(fleet, "lone")["status"] == "running")
    done = fleet.zedops("restart", "herd/", "--wait", code=1)
    assert sorted(done.stdout.splitlines()) == ["bad failed", "one running", "two running"]
    assert "bad: " in done.stderr
    fleet.zedops("delete", "herd/", "--yes", "--wait")
    done = fleet.zedops("purge", "herd/", "--data", "--yes", code=2)
    assert "say so with `--confirm bad` `--confirm one` `--confirm two`" in done.stderr
    said = fleet.zedops("restore", "herd/", "--wait", code=1).stdout
    assert sorted(said.splitlines()) == ["bad failed", "one running", "two running"]
    fleet.zedops("delete", "one", "two", "bad", "--yes", "--wait")
    confirms = [word for name in ("bad", "one", "two", "lone") for word in ("--confirm", name)]
    said = fleet.zedops("purge", "herd/", "lone", "--data", *confirms, "--wait").stdout
    assert sorted(said.splitlines()) == [f"{each} is purged" for each in
                                         ("bad", "lone", "one", "two")]


def test_a_host_that_was_added_by_mistake_is_taken_out(fleet: Machine) -> None:
    settings = fleet.clone / "zedops.yaml"
    fleet.pull()
    text = settings.read_text()
    settings.write_text(text.replace("hosts: [local]", "hosts: [local, atic]") +
                        "defaults: {host: local}\n")
    fleet.push("a typo")
    said = fleet.zedops("host", "remove", "atic", "--yes").stdout
    assert said.startswith("atic had not joined and has no token; ")
    fleet.pull()
    assert "hosts: [local]" in settings.read_text()
    done = fleet.zedops("host", "remove", "atic", "--yes", code=2)
    assert "no host 'atic'; the fleet has local" in done.stderr
