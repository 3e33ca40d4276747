"""`zedops doctor`: what is wrong is found, with what to do; what is not, is not claimed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.machine import Machine, free_port
from zedops.cli.fleet_diagnostics import check_clock
from zedops.protocol.findings import Verdict

pytestmark = [pytest.mark.docker, pytest.mark.system]


def findings(machine: Machine, code: int) -> dict[tuple[str, str], dict[str, str]]:
    """Ask the doctor; returns the findings by verdict and subject."""
    said = json.loads(machine.zedops("doctor", "--json", code=code).stdout)
    return {(each["verdict"], each["subject"]): each for each in said}


def test_a_fleet_that_runs_is_looked_at_whole_and_is_well(machine: Machine) -> None:
    machine.init()
    machine.up()
    found = findings(machine, 0)
    good = {subject for verdict, subject in found if verdict == "ok"}
    assert good >= {"git", "clone", "hub", "hooks", "manager", "Docker Engine", "data root",
                    "policy", "clock", "ports"}
    assert {verdict for verdict, _ in found} <= {"ok", "warning"}
    assert found["ok", "data root"]["where"] == "local"
    assert str(machine.data_root) in found["ok", "data root"]["fact"]
    assert str(machine.policy) in found["ok", "policy"]["fact"]
    said = machine.zedops("doctor", cwd=machine.hub).stdout  # the hub itself will do
    assert said.rstrip().endswith("nothing is wrong")


def test_each_trouble_is_found_with_what_to_do(machine: Machine) -> None:
    machine.init()
    machine.up()
    port = free_port()
    machine.define("rosewood", port)
    machine.write("servers.d/rosewood.yaml",
                  "desired: stopped\n" + (machine.clone / "servers.d/rosewood.yaml").read_text())
    machine.push("rosewood: begin")
    (machine.hub / "hooks" / "pre-receive").chmod(0o644)
    machine.git("config", "receive.denyDeletes", "false", cwd=machine.hub)
    machine.git("config", "--unset", "remote.origin.push")
    secret = machine.data_root / "secrets" / machine.fleet / "rosewood" / "TOKEN"
    secret.parent.mkdir(parents=True)
    secret.write_text("x")
    secret.chmod(0o644)
    machine.policy.write_text("memory: much\n")
    with socket.create_server(("127.0.0.1", port)):
        found = findings(machine, 1)
    assert "pre-receive cannot be run" in found["wrong", "hooks"]["fact"]
    assert "receive.denyDeletes" in found["wrong", "hub"]["fact"]
    assert found["warning", "clone"]["remedy"] == (
        "git config remote.origin.push HEAD:refs/for/main"
    )
    assert "other users may read it" in found["wrong", "secrets"]["fact"]
    assert "agent.yaml cannot be used" in found["wrong", "policy"]["fact"]
    assert f"{port}/tcp of rosewood (web) is held by process " in found["wrong", "ports"]["fact"]
    assert all(each["remedy"] for (verdict, _), each in found.items() if verdict == "wrong")


def test_without_a_manager_this_machine_itself_is_looked_at(machine: Machine) -> None:
    machine.init()
    (machine.hub / "hooks" / "post-receive").write_text("#!/bin/sh\nexec '/gone/python3' x\n")
    (machine.hub / "hooks" / "pre-receive").write_text("#!/bin/sh\nexec '/gone/python3' x\n")
    found = findings(machine, 1)
    assert "none runs on" in found["wrong", "manager"]["fact"]
    assert "/gone/python3, which is not there" in found["wrong", "hooks"]["fact"]
    assert found["ok", "Docker Engine"]["where"] == "this host"


def test_an_engine_that_is_gone_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zedops", "doctor", "--data-root", str(tmp_path / "data")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nobody"},
    )
    assert done.returncode == 1, done.stderr
    assert "wrong    Docker Engine: the Docker Engine at unix://" in done.stdout
    assert "start it, or name another one in DOCKER_HOST" in done.stdout
    assert "1 thing wrong" in done.stdout


@pytest.mark.parametrize(
    ("ahead_s", "verdict"),
    [(0, Verdict.GOOD), (30, Verdict.WARNING), (-30, Verdict.WARNING), (7200, Verdict.WRONG)],
)
def test_clocks_that_differ_are_told(ahead_s: int, verdict: Verdict) -> None:
    found = check_clock(datetime.now(UTC) + timedelta(seconds=ahead_s))
    assert found.verdict is verdict
    assert bool(found.remedy) is (verdict is not Verdict.GOOD)
