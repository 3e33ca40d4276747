"""Snapshots that are proven: restored beside the world, and started there by the same image."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.docker.host import Host
from tests.docker.test_backups import act, begin
from zedops.protocol.sync import ServerReport
from zedops.spec.backup import read_last
from zedops_agent.observed import PROOF

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("restic")]

CHECK = "[ ! -e /data/bad ]"
HEALTH = f"health: {{test: [CMD-SHELL, '{CHECK}'], interval: 1s, retries: 2}}\n"
#: Only a copy lacks this file, for the world gets it later.
LATER = "[ -e /data/free ]"
LIVE = (
    "volumes: {world: /data}\nstop: {grace: 5s}\nbackup: {quiesce: none}\n" + HEALTH
)


def scratch(host: Host) -> Path:
    """Say where the copies of proofs are."""
    return host.root / "backups" / host.fleet / "proof"


def proofs(host: Host) -> list[dict[str, Any]]:
    """List the containers of proofs."""
    filters = {"label": f"{PROOF}={scratch(host)}"}
    found: list[dict[str, Any]] = host.api.containers(all=True, filters=filters)
    return found


def prove(host: Host, text: str = LIVE) -> ServerReport:
    """Prove the newest snapshot; wait for the result."""
    report = act(host, f"{{prove: {uuid.uuid4().hex[:8]}}}", text)
    assert not proofs(host)
    assert not list(scratch(host).iterdir())
    return report


def test_a_snapshot_that_starts_is_proven_and_the_server_notices_nothing(host: Host) -> None:
    _, kept = begin(host, LIVE)
    made = read_last(act(host, "{backup: one}", LIVE).backup or "")
    before, lines = host.container("rosewood")["State"], kept.with_name("world.txt").read_text()
    last = read_last(prove(host).backup or "")
    assert (last.snapshot, last.proven) == (made.snapshot, made.snapshot)
    assert last.proven_at
    assert last.proven_at > made.at
    after = host.container("rosewood")["State"]
    assert (after["StartedAt"], after["Pid"]) == (before["StartedAt"], before["Pid"])
    assert kept.with_name("world.txt").read_text() == lines
    # the next backup keeps the proof of the one before
    last = read_last(act(host, "{backup: two}", LIVE).backup or "")
    assert last.proven == made.snapshot != last.snapshot


def test_a_snapshot_that_does_not_start_is_told_until_one_does(host: Host) -> None:
    _, kept = begin(host, LIVE)
    bad = kept.with_name("bad")
    bad.touch()
    act(host, "{backup: one}", LIVE)
    bad.unlink()
    report = prove(host)
    assert report.note is not None
    assert report.note.startswith("the last proof failed: snapshot ")
    assert "health check failed" in report.note
    assert read_last(report.backup or "").proven is None
    act(host, "{backup: two}", LIVE)
    report = prove(host)
    assert report.note is None
    assert read_last(report.backup or "").proven


def test_a_proof_has_no_network_no_ports_and_no_way_out_but_its_copy(host: Host) -> None:
    quick = LIVE.replace(CHECK, LATER)
    text = (
        f"{quick}ports: {{game: {{container: 7000, host: 47811}}}}\n"
        "limits: {memory: 64MiB}\nsecrets: [WORD]\nlabels: {made: here}\n"
    )
    begun = "volumes: {world: /data, more: {path: /cache, kind: cache}}"
    text = text.replace("volumes: {world: /data}", begun)
    secret = host.root / "secrets" / host.fleet / "rosewood" / "WORD"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("hidden")
    server, kept = begin(host, text)
    act(host, "{backup: one}", text)
    kept.with_name("free").touch()
    host.want("rosewood", f"{text}world: {{prove: one}}\n")
    host.until(lambda: proofs(host) and proofs(host)[0]["State"] == "running")
    found = host.api.inspect_container(proofs(host)[0]["Id"])
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert not found["HostConfig"]["PortBindings"]
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert {key for key, value in found["Config"]["Labels"].items() if value} == {PROOF}
    assert "WORD=hidden" in found["Config"]["Env"]
    mounts = {each["Destination"]: each for each in found["Mounts"]}
    assert mounts["/data"]["Source"].startswith(str(scratch(host)))
    assert (mounts["/cache"]["RW"], mounts["/data"]["RW"]) == (False, True)
    assert host.containers() == [f"{host.fleet}-rosewood"]
    report = host.wait(server, lambda each: "last proof failed" in (each.note or ""))
    assert "hidden" not in str(report)
    assert not proofs(host)


def test_an_agent_that_ends_takes_its_proof_along_and_the_next_one_proves(host: Host) -> None:
    slow = LIVE.replace(CHECK, LATER).replace("interval: 1s", "interval: 1s, start_period: 1h")
    server, _ = begin(host, slow)
    act(host, "{backup: one}", slow)
    host.want("rosewood", f"{slow}world: {{prove: one}}\n")
    host.until(lambda: proofs(host) and proofs(host)[0]["State"] == "running")
    host.stop()
    assert not proofs(host)
    # an agent that was killed leaves both
    rest = scratch(host) / server / "rest"
    rest.mkdir(parents=True)
    host.start()
    host.until(lambda: proofs(host) and proofs(host)[0]["State"] == "running")
    assert not rest.exists()
    # something else is asked of the server, so this proof makes no sense any more
    host.want("rosewood", f"{slow}env: {{A: b}}\n")
    host.until(lambda: not proofs(host))


def test_a_schedule_proves_the_first_snapshot_by_itself(host: Host) -> None:
    text = LIVE.replace("{quiesce: none}", "{quiesce: none, prove: 7d}")
    server, _ = begin(host, text)
    act(host, "{backup: one}", text)
    report = host.wait(server, lambda each: each.backup and read_last(each.backup).proven)
    assert report.activity is None


def test_a_proof_is_over_when_the_log_shows_that_the_server_is_ready(host: Host) -> None:
    text = LIVE.replace(HEALTH, "ready: {log: '^up, greeting', timeout: 20s}\n")
    begin(host, text)
    act(host, "{backup: one}", text)
    report = prove(host, text)
    assert report.note is None
    assert read_last(report.backup or "").proven
    never = text.replace("^up, greeting', timeout: 20s", "never', timeout: 1s")
    assert "did not show `never` within 1 s" in str(prove(host, never).note)
