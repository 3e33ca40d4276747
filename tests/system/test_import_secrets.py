"""Passwords of a compose file reach the container, and never a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine import Machine, free_port

pytestmark = [pytest.mark.docker, pytest.mark.system]

PASSWORD = "correct-horse"


def project(machine: Machine, name: str) -> Path:
    """Write a project whose passwords are in every place that holds one."""
    folder = machine.folder / name
    folder.mkdir()
    (folder / ".env").write_text(f"ADMIN={PASSWORD}\n")
    (folder / "pw.env").write_text(f"DB_PASSWORD={PASSWORD}\n")
    path = folder / "compose.yaml"
    path.write_text(f"""\
services:
  {name}:
    image: "{machine.image}"
    ports: ["{free_port()}:8080"]
    environment:
      GREET_TOKEN: $ADMIN
      ADMIN_PASSWORD: $ADMIN
      ARGS: "-Drcon.password={PASSWORD}"
      DATABASE_URL: "postgres://app:{PASSWORD}@db/app"
    env_file: pw.env
    labels: {{dash.token: {PASSWORD}}}
  {name}-cache:
    image: "{machine.image}"
    command: server --requirepass {PASSWORD}
""")
    return path


@pytest.mark.parametrize("way", ["host", "encrypt"])
def test_the_values_reach_the_container_and_no_repository(machine: Machine, way: str) -> None:
    machine.init()
    machine.up()
    machine.zedops("secret", "recipients", "--yes")
    machine.pull()
    said = machine.zedops(
        "import", str(project(machine, "rosewood")), "--secrets", way, "--yes", "--wait"
    )
    assert "rosewood-cache: not imported: command: --requirepass looks" in said.stderr
    assert "labels: dash.token looks like a secret" in said.stderr
    assert machine.state("rosewood")["status"] == "running"
    facts = machine.container("rosewood")
    assert facts is not None
    for each in (f"ADMIN_PASSWORD={PASSWORD}", f"DB_PASSWORD={PASSWORD}",
                 f"ARGS=-Drcon.password={PASSWORD}"):
        assert each in facts["Config"]["Env"]
    assert PASSWORD not in said.stdout + said.stderr
    assert PASSWORD not in machine.git("log", "-p", "--all", cwd=machine.hub)
    assert PASSWORD not in machine.git("log", "-p", "--all", cwd=machine.clone)
