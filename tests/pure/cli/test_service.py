"""The unit of `zedops up --systemd`: the command as it was typed, in words that systemd takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zedops.cli import service

TYPED = ["up", "my fleet", "--data-root", "100% $HOME", "--advertise", "tls://den:4222"]


def made(folder: Path, user: str | None) -> str:
    """Write a unit for odd arguments and a shell that names an Engine."""
    environment = {"DOCKER_HOST": "unix:///run/$my/sock", "PATH": "/bin", "ZEDOPS_POLICY": ""}
    return service.render("f", TYPED, folder, environment, user)


@pytest.mark.parametrize("user", ["root", None])
def test_systemd_takes_the_unit(tmp_path: Path, user: str | None) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "zedops-f.service"
    unit.write_text(made(tmp_path, user))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False,
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_it_says_what_was_typed_where_and_what_the_shell_knew() -> None:
    text = made(Path("/home/ann/games"), None)
    assert '"-m" "zedops" "up" "my fleet" "--data-root" "100%% $$HOME" "--advertise"' in text
    assert "WorkingDirectory=/home/ann/games\n" in text
    assert 'Environment="DOCKER_HOST=unix:///run/$my/sock"\n' in text
    assert "PATH=" not in text
    assert "ZEDOPS_POLICY" not in text
    assert "WantedBy=default.target" in text
    assert "User=" not in text


def test_a_unit_of_the_machine_runs_as_the_owner_of_the_hub_and_after_docker() -> None:
    text = made(Path("/srv"), "ann")
    assert "User=ann\n" in text
    assert "After=network-online.target docker.service\n" in text
    assert "WantedBy=multi-user.target" in text


def test_it_ends_zedops_and_no_server_and_tries_on_until_the_engine_is_up() -> None:
    text = made(Path("/srv"), "ann")
    assert "KillMode=mixed" in text
    assert "Restart=always" in text
    assert "StartLimitIntervalSec=0" in text.partition("[Service]")[0]
