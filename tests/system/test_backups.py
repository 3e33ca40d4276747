"""Backups from the command line: each act is a commit, and git tells the last good snapshot."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.machine import Machine
from tests.shapes import fits
from tests.system.servers import LOOP, begin, command, state
from zedops.spec.backup import read_last

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.usefixtures("restic")]

QUIET = "backup: {quiesce: none}\n"


def quiet(fleet: Machine, *names: str) -> list[Path]:
    """Have servers that run on while they are backed up; returns a file of each world."""
    kept = []
    for name in names:
        begin(fleet, name, command(LOOP))
        path = fleet.clone / f"servers.d/{name}.yaml"
        path.write_text(f"{QUIET}{path.read_text()}")
        kept.append(fleet.data_root / "servers" / str(state(fleet, name)["id"]) / "w/kept")
        kept[-1].write_text("before")
    fleet.push("quiet")
    return kept


def listed(fleet: Machine, *words: str) -> list[dict[str, Any]]:
    """List snapshots."""
    found: list[dict[str, Any]] = json.loads(fleet.zedops("backups", *words, "--json").stdout)
    return found


def test_a_backup_is_a_commit_and_a_restore_is_one_and_git_tells_the_result(
    fleet: Machine
) -> None:
    kept, _ = quiet(fleet, "backed", "other")
    none = "no snapshots; `zedops backup NAME` makes one\n"
    assert fleet.zedops("backups", "backed").stdout == none
    before = fleet.git("rev-list", "--count", "main", cwd=fleet.hub)
    said = fleet.zedops("backup", "backed", "other", "--wait").stdout
    assert said.count("the last backup is ") == 2
    rows = listed(fleet)
    fits("backups", rows)
    made, = (each for each in rows if each["server"] == "backed")
    other, = (each for each in rows if each["server"] == "other")
    assert (made["server"], made["reason"], made["repository"]) == ("backed", "asked", "host")
    last = read_last(str(state(fleet, "backed")["backup"]))
    assert last.snapshot == made["id"] != other["id"]
    assert [each["id"] for each in listed(fleet, "backed")] == [made["id"]]
    count = int(fleet.git("rev-list", "--count", "main", cwd=fleet.hub)) - int(before)
    assert count <= 1 + 2  # the act, and at most one state for each
    kept.write_text("after")
    said = fleet.zedops("backup", "restore", "backed", "--yes", "--wait").stdout
    assert kept.read_text() == "before"
    done = fleet.zedops("backup", "restore", "backed", "--to", "deadbeef", "-y", "--wait", code=1)
    assert "the repository has no snapshot deadbeef of it" in done.stderr
    fleet.pull()
    log = fleet.git("log", "--format=%s", "main")
    assert "backed, other: backup" in log
    assert "backed: restore of its world to latest" in log
    row = json.loads(fleet.zedops("show", "backed", "--json").stdout)
    assert "the last restore failed" in row["message"]


def test_a_new_server_begins_with_a_snapshot_also_of_a_server_that_is_purged(
    fleet: Machine
) -> None:
    begin(fleet, "origin", command(LOOP), "volumes: {world: /data}", QUIET.strip())
    kept = fleet.data_root / "servers" / str(state(fleet, "origin")["id"]) / "world/kept"
    kept.write_text("before")
    fleet.zedops("backup", "origin", "--wait")
    said = fleet.zedops("new", "copy", "--from-backup", "origin", "--wait").stdout
    assert said == "copy running\n"
    copied = fleet.data_root / "servers" / str(state(fleet, "copy")["id"]) / "world"
    assert (copied / "kept").read_text() == "before"
    assert json.loads((copied / ".zedops.json").read_text())["name"] == "copy"
    made, = listed(fleet, "origin")
    fleet.zedops("purge", "origin", "--data", "--confirm", "origin", "--wait")
    assert not kept.exists()
    assert [each["id"] for each in listed(fleet, "origin")] == [made["id"]]
    done = fleet.zedops("new", "again", "--from-backup", "origin", code=2)
    assert "name its --game, or its --image and volumes" in done.stderr
    words = ("--from-backup", f"origin@{made['id']}", "--image", fleet.image, "-v", "/data")
    fleet.zedops("new", "again", *words, "--wait")
    again = fleet.data_root / "servers" / str(state(fleet, "again")["id"]) / "world"
    assert (again / "kept").read_text() == "before"
    words = ("--from-backup", "origin@deadbeef", "--image", fleet.image, "-v", "/data")
    done = fleet.zedops("new", "never", *words, "--wait", code=1)
    assert "its world could not be restored, so it is not started without" in done.stderr
    assert fleet.container("never") is None


def test_snapshots_are_checked_exported_and_enough_to_begin_a_fleet_again(
    fleet: Machine, tmp_path: Path, docker_api: docker.APIClient, image: str
) -> None:
    kept, = quiet(fleet, "saved")
    fleet.zedops("backup", "saved", "--wait")
    here = ("--data-root", str(fleet.data_root))
    said = fleet.zedops("backup", "check", "--read", "100%", *here).stdout
    repository = fleet.data_root / "backups" / fleet.fleet / "repository"
    assert said == f"{repository} is whole\n"
    archive = tmp_path / "saved.tar.gz"
    fleet.zedops("backup", "export", "saved", str(archive), *here)
    with tarfile.open(archive) as packed:
        name = next(each for each in packed.getnames() if each.endswith("/w/kept"))
        read = packed.extractfile(name)
        assert read is not None
        assert read.read() == b"before"
    done = fleet.zedops("backup", "export", "saved", str(tmp_path / "saved.rar"), *here, code=2)
    assert "ends in .tar, .tar.gz, .tar.zst" in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["saved.tar.gz"]
    shutil.copytree(repository, tmp_path / "saved")
    word = tmp_path / "word"
    shutil.copy(repository.with_name("password"), word)
    other = Machine(tmp_path, docker_api, image)
    try:
        other.policy.write_text(f"backups: ['{tmp_path}/*']\n")
        other.init()
        other.up()
        source = ("--repository", str(tmp_path / "saved"), "--password-file", str(word))
        assert "saved" in other.zedops("backups", *source).stdout
        other.zedops("backups", *source, "--recover")
        secret = other.data_root / "secrets" / other.fleet / "backups.recovered/PASSWORD"
        secret.parent.mkdir(parents=True)
        shutil.copy(word, secret)
        other.push("recovered")
        other.wait_for(lambda: other.state("saved").get("status") == "running")
        server = other.state("saved")["id"]
        assert server != state(fleet, "saved")["id"]
        assert (other.data_root / "servers" / server / "w/kept").read_text() == "before"
    finally:
        other.tear_down()
    assert kept.read_text() == "before"


def test_what_cannot_be_backed_up_is_said_before_anything_is_committed(fleet: Machine) -> None:
    begin(fleet, "named", command(LOOP))
    path = fleet.clone / "servers.d/named.yaml"
    path.write_text(f"backup: {{repository: nas}}\n{path.read_text()}")
    said = fleet.git("commit", "-qam", "nas") + fleet.git("push", code=1)
    assert "backup.repository: 'nas' is no repository of this fleet" in said
    fleet.git("reset", "--hard", "origin/main")
    done = fleet.zedops("backup", "restore", "named", "--to", "yesterday", "-y", code=2)
    assert "neither a snapshot's id nor a time" in done.stderr
    done = fleet.zedops("backup", "--wait", code=2)
    assert "no server named; name servers or a folder (attic/), or say --all" in done.stderr
