"""Worlds that come back: backups and restores with restic and a real Engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.docker.host import Host
from zedops.protocol.sync import Goal, ServerReport
from zedops.spec.backup import Repository, read_last

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("restic")]

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"
LIVE = f"{WORLD}backup: {{quiesce: none}}\n"


def environment(host: Host) -> dict[str, str]:
    """Give restic the host's own repository."""
    home = host.root / "backups" / host.fleet
    return {**os.environ, "RESTIC_REPOSITORY": str(home / "repository"),
            "RESTIC_PASSWORD_FILE": str(home / "password"), "RESTIC_CACHE_DIR": str(home / "c")}


def restic(host: Host, *words: str) -> Any:
    """Ask the host's own repository."""
    done = subprocess.run(
        ["restic", "--json", *words], capture_output=True, text=True, check=True,
        env=environment(host),
    )
    return json.loads(done.stdout or "null")


def snapshots(host: Host) -> list[dict[str, Any]]:
    """List the snapshots of the host's own repository."""
    return restic(host, "snapshots") or []


def begin(host: Host, text: str = WORLD) -> tuple[str, Path]:
    """Have a server that runs, with something in its world."""
    server = host.want("rosewood", text)
    host.wait_running(server)
    host.wait_started(server, 1)
    kept = host.world(server) / "kept.txt"
    kept.write_text("before")
    return server, kept


def act(host: Host, world: str, text: str = WORLD, **facts: Any) -> ServerReport:
    """Ask for something with a world; wait until it is done or failed."""
    after, commit = len(host.reports), uuid.uuid4().hex[:7]
    server = host.want("rosewood", f"{text}world: {world}\n", commit=commit, **facts)
    return host.wait(server, lambda each: each.applied and each.about == commit, after)


def test_a_backup_stops_the_server_makes_one_snapshot_and_starts_it_again(host: Host) -> None:
    server, _ = begin(host)
    before = host.container("rosewood")["State"]["StartedAt"]
    report = act(host, "{backup: one}")
    last = read_last(report.backup or "")
    made, = snapshots(host)
    assert made["id"].startswith(last.snapshot)
    assert {f"server={server}", "name=rosewood", "reason=asked"} <= set(made["tags"])
    assert last.files >= 2
    assert host.container("rosewood")["State"]["StartedAt"] > before
    assert report.container
    assert report.container.running
    held = json.loads(restic_text(host, made))
    assert held["volumes"] == {"world": str(host.world(server))}
    # the same token asks for nothing more, also not after a restart of the agent
    host.stop()
    host.start()
    host.wait_running(server, len(host.reports))
    assert len(snapshots(host)) == 1


def test_the_second_backup_of_an_agent_asks_its_own_repository_only_once(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(host, LIVE)
    act(host, "{backup: one}", LIVE)
    log, wrapper = tmp_path / "calls", tmp_path / "bin" / "restic"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$1" >> {log}\nexec {shutil.which("restic")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)
    act(host, "{backup: two}", LIVE)
    assert [each for each in log.read_text().split() if each != "version"] == ["backup"]
    assert len(snapshots(host)) == 2


def restic_text(host: Host, made: dict[str, Any]) -> str:
    """Read the description in a snapshot."""
    path = next(each for each in made["paths"] if each.endswith("zedops-backup.json"))
    return json.dumps(restic(host, "dump", made["id"], path))


def test_a_server_runs_on_where_its_definition_says_that_nothing_need_rest(host: Host) -> None:
    _, _ = begin(host, LIVE)
    before = host.container("rosewood")["State"]["StartedAt"]
    act(host, "{backup: one}", LIVE)
    assert host.container("rosewood")["State"]["StartedAt"] == before
    assert len(snapshots(host)) == 1


def test_commands_hold_the_writes_and_let_go_again_also_after_a_failure(host: Host) -> None:
    text = (
        f"{WORLD}backup:\n  quiesce:\n    before: ['echo off >> /data/log']\n"
        "    after: ['echo on >> /data/log']\n"
    )
    server, _ = begin(host, text)
    act(host, "{backup: one}", text)
    log = host.world(server) / "log"
    assert log.read_text().split() == ["off", "on"]
    failing = text.replace(">> /data/log']\n    after", ">> /data/log; exit 3']\n    after")
    report = act(host, "{backup: two}", failing)
    assert log.read_text().split() == ["off", "on", "off", "on"]
    assert report.note is not None
    assert "ended with code 3" in report.note
    assert len(snapshots(host)) == 1


def test_a_restore_brings_the_world_back_and_keeps_the_former_one_aside(host: Host) -> None:
    server, kept = begin(host)
    first = act(host, "{backup: one}")
    kept.write_text("after")
    link = kept.with_name("link")
    link.symlink_to(host.root / "outside")
    report = act(host, "{backup: one, restore: latest}")
    assert report.note is None
    assert kept.read_text() == "before"
    assert not link.is_symlink()
    home = kept.parents[1]
    aside, = home.glob(".world-before-*")
    assert (aside / "world/kept.txt").read_text() == "after"
    assert not (home / ".world-restored").exists()
    assert report.container
    assert report.container.running
    assert report.backup == first.backup
    assert json.loads((kept.parent / ".zedops.json").read_text())["id"] == server


def test_a_world_that_does_not_run_is_taken_out_again(host: Host) -> None:
    script = "[ ! -e /data/bad ] && echo started >> /data/world.txt && exec /bin/busybox sleep 999"
    text = f"{WORLD}command: [/bin/sh, -c, {script!r}]\n"
    server = host.want("rosewood", text)
    host.wait_running(server)
    host.wait_started(server, 1)
    bad = host.world(server) / "bad"
    bad.write_text("x")
    live = f"{text}backup: {{quiesce: none}}\n"
    act(host, "{backup: one}", live)
    bad.unlink()
    (host.world(server) / "good").write_text("x")
    report = act(host, "{backup: one, restore: latest}", live)
    assert report.note is not None
    assert "the former world is back" in report.note
    assert not bad.exists()
    assert (host.world(server) / "good").exists()
    assert list(host.world(server).parent.glob(".world-*")) == []


def test_a_link_out_of_a_world_is_kept_as_a_link_and_its_target_is_in_no_snapshot(
    host: Host, tmp_path: Path
) -> None:
    _, kept = begin(host, LIVE)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private").write_text("x")
    kept.with_name("link").symlink_to(outside)
    act(host, "{backup: one}", LIVE)
    made, = snapshots(host)
    listed = subprocess.run(
        ["restic", "ls", "--json", made["id"]], capture_output=True, text=True, check=True,
        env=environment(host),
    ).stdout.splitlines()
    nodes = {each["path"]: each["type"] for each in map(json.loads, listed) if "path" in each}
    assert nodes[str(kept.with_name("link"))] == "symlink"
    assert not [each for each in nodes if "private" in each or each.endswith(".zedops.json")]


def test_a_host_without_restic_says_so_and_touches_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(host)
    before = host.container("rosewood")["State"]["StartedAt"]
    monkeypatch.setenv("PATH", str(host.root))
    report = act(host, "{backup: one}")
    assert "on Debian: apt-get install restic" in (report.note or "")
    assert host.container("rosewood")["State"]["StartedAt"] == before
    assert not (host.root / "backups").exists()


def test_a_restore_of_what_is_not_there_touches_nothing(host: Host) -> None:
    _, kept = begin(host)
    act(host, "{backup: one}")
    before = host.container("rosewood")["State"]["StartedAt"]
    for what in ("deadbeef", "2001-01-01T00:00:00Z"):
        report = act(host, f"{{backup: one, restore: '{what}'}}")
        assert "`zedops backups rosewood` lists them" in (report.note or "")
    assert host.container("rosewood")["State"]["StartedAt"] == before
    assert kept.read_text() == "before"


def test_a_time_means_the_last_snapshot_before_it(host: Host) -> None:
    _, kept = begin(host, LIVE)
    first = read_last(act(host, "{backup: one}", LIVE).backup or "")
    at = datetime.fromisoformat(snapshots(host)[0]["time"][:26] + "+00:00").isoformat()
    kept.write_text("later")
    second = read_last(act(host, "{backup: two}", LIVE).backup or "")
    assert first.snapshot != second.snapshot
    act(host, f"{{backup: two, restore: '{at}'}}", LIVE)
    assert kept.read_text() == "before"
    report = act(host, f"{{backup: two, restore: '{second.snapshot} (again)'}}", LIVE)
    assert report.note is None
    assert kept.read_text() == "later"


def test_a_failed_backup_keeps_no_server_down(host: Host) -> None:
    server, _ = begin(host)
    act(host, "{backup: one}")
    home = host.root / "backups" / host.fleet
    (home / "password").write_text("wrong\n")
    report = act(host, "{backup: two}")
    assert "wrong password" in (report.note or "")
    (home / "password").unlink()
    report = act(host, "{backup: three}")
    assert "without it no snapshot can be read" in (report.note or "")
    (home / "repository").rename(home / "away")
    report = act(host, "{backup: four}")
    assert report.container
    assert report.container.running
    assert report.backup is not None
    assert not (home / "repository").exists()
    host.want("rosewood", WORLD, goal=Goal.STOPPED)
    host.wait(server, lambda each: each.container and not each.container.running)


def test_another_repository_needs_the_hosts_consent_and_its_password(
    host: Host, tmp_path: Path
) -> None:
    text = f"{WORLD}backup: {{repository: nas, quiesce: none}}\n"
    begin(host, text)
    nas = Repository(address=str(tmp_path / "nas"))
    report = act(host, "{backup: one}", text, repository=nas)
    assert "backups: [" in (report.note or "")
    host.policy.write_text(f"backups: ['{tmp_path}/*']\n")
    report = act(host, "{backup: two}", text, repository=nas)
    assert "PASSWORD of repository 'nas' is not set on this host" in (report.note or "")
    secret = host.root / "secrets" / host.fleet / "backups.nas" / "PASSWORD"
    secret.parent.mkdir(parents=True)
    secret.write_text("correct horse\n")
    report = act(host, "{backup: three}", text, repository=nas)
    assert report.note is None
    assert (tmp_path / "nas/config").exists()


def test_a_schedule_begins_with_the_first_data_and_holds_an_update_until_its_snapshot(
    host: Host
) -> None:
    text = f"{WORLD}backup: {{every: 1h, quiesce: none, keep: {{last: 1, daily: 0, weekly: 0,"
    text += " monthly: 0}}\n"
    server = host.want("rosewood", text)
    report = host.wait(server, lambda each: each.backup)
    assert report.note is None
    first, = snapshots(host)
    assert "reason=schedule" in first["tags"]
    other = f"{host.fleet}-other"
    host.api.tag(host.image, other, "1")
    try:
        world = host.world(server)
        (world / "large").write_bytes(os.urandom(3 << 20))
        act(host, "{backup: one}", text)
        (world / "large").unlink()
        after = len(host.reports)
        host.want("rosewood", f"image: {other}:1\n{text}", commit="updated")
        report = host.wait(server, lambda each: each.applied and each.about == "updated", after)
        assert "is far smaller than the one before (3.0 MiB in " in (report.note or "")
        found = snapshots(host)
        reasons = [next(tag for tag in each["tags"] if tag.startswith("reason="))
                   for each in found]
        # the one that shrank removes none, not even those past their time
        assert reasons == ["reason=asked", "reason=update"]
        report = act(host, "{backup: two}", f"image: {other}:1\n{text}")
        assert report.note is None
        assert len(snapshots(host)) == 1
    finally:
        host.tear_down()
        host.api.remove_image(f"{other}:1", force=True)


def test_a_lost_world_comes_back_from_its_snapshot(host: Host) -> None:
    server, kept = begin(host)
    act(host, "{backup: one}")
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    shutil.rmtree(kept.parent)
    host.wait(server, lambda each: each.data_lost)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    report = act(host, f"{{backup: one, restore: 'latest ({now})'}}")
    assert report.note is None
    assert kept.read_text() == "before"
    host.wait_running(server, len(host.reports) - 1)


def test_a_lock_of_a_process_that_is_gone_holds_no_backup_up(host: Host) -> None:
    begin(host, LIVE)
    act(host, "{backup: one}", LIVE)
    home = host.root / "backups" / host.fleet
    held = subprocess.Popen(
        ["restic", "backup", "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env=environment(host),
    )
    host.until(lambda: any((home / "repository/locks").iterdir()))
    held.kill()
    held.communicate()
    (home / "pruned").unlink(missing_ok=True)
    once = LIVE.replace("none", "none, keep: {last: 1, daily: 0, weekly: 0, monthly: 0}")
    report = act(host, "{backup: two}", once)
    assert report.note is None
    host.until(lambda: len(snapshots(host)) == 1)
