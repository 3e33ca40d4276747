"""An upgrade replaces zedops' files under a running fleet, and no container is touched by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.machine import Machine, became
from tests.system.servers import add, begin, edit, home, mine, runs, state

pytestmark = [pytest.mark.docker, pytest.mark.system]

ROOT = Path(__file__).parents[2]
#: The last commit in which `zedops/` was one flat folder of modules.
BEFORE = "ab7e3ba22b9b7fdd4bd68dfa28f769ecef5eda1f"


def build(source: Path, folder: Path) -> Path:
    """Build a wheel of a tree, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=source, check=True, capture_output=True, timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def old_tree(folder: Path) -> Path:
    """Give the tree of `BEFORE`; a shallow clone does not have it."""
    archive = subprocess.run(
        ["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    if archive.returncode:
        reason = f"this clone does not have {BEFORE[:12]}; git fetch --unshallow brings it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder.mkdir()
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=folder, check=True, timeout=60)
    return folder


class Site:
    """The folder that zedops is installed in, as a release leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()

    def install(self, wheel: Path) -> None:
        """Put a wheel in place of the one that is there, as pip does: in the same folder."""
        with zipfile.ZipFile(wheel) as opened:
            new = set(opened.namelist())
            for path in [each for each in self.folder.rglob("*") if each.is_file()]:
                if str(path.relative_to(self.folder)) not in new:
                    path.unlink()
            opened.extractall(self.folder)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Run all commands of this test from one folder that wheels are installed into."""
    made = Site(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(made.folder))
    return made


def test_an_upgrade_from_the_flat_layout_restarts_nothing_and_pushes_go_on(
    machine: Machine, site: Site, tmp_path: Path
) -> None:
    site.install(build(old_tree(tmp_path / "old"), tmp_path / "old-wheel"))
    new = build(ROOT, tmp_path / "new-wheel")
    machine.init()
    machine.up()
    path = begin(machine, "rosewood", "env: {GREET: ada}")
    begin(machine, "muldraugh")
    before = {name: runs(machine, name) for name in ("rosewood", "muldraugh")}
    facts = {name: state(machine, name) for name in before}
    marker = (home(machine, "rosewood") / ".zedops.json").read_bytes()

    site.install(new)
    assert (site.folder / "zedops/spec/model.py").is_file()
    machine.git("pull", "--quiet")
    add(machine, path, "# the old manager runs, the new files are there")
    machine.git("push")
    machine.down()
    assert {name: runs(machine, name) for name in before} == before

    # no manager: the hook of the old release checks the push with the new one's files
    machine.pull()
    add(machine, path, "# no manager runs")
    assert "no manager is running" in machine.git("push")
    assert "refused" not in machine.git("status")
    machine.pull()
    machine.write("servers.d/bad.yaml", "imag: x\n")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "bad")
    assert "unknown key" in machine.git("push", code=1)
    machine.git("reset", "--quiet", "--hard", "HEAD~1")

    count = len(machine.subjects())
    machine.up()
    answer = machine.wait_for(
        lambda: [each for each in json.loads(machine.zedops("host", "list", "--json").stdout)
                 if each["answers"]]
    )
    assert len(answer) == 1
    assert {name: runs(machine, name) for name in before} == before
    assert {name: len(mine(machine, name)) for name in before} == {"rosewood": 1, "muldraugh": 1}
    assert (home(machine, "rosewood") / ".zedops.json").read_bytes() == marker
    kept = ("id", "status", "container", "image", "since", "data_exists")
    for name, known in facts.items():
        now = state(machine, name)
        assert [now[key] for key in kept] == [known[key] for key in kept]
    assert len(machine.subjects()) == count  # nothing happened, so nothing is told

    machine.pull()
    edit(machine, path, "GREET: ada", "GREET: eve")
    assert became(machine.git("push"), "rosewood", "running")
    assert runs(machine, "rosewood") != before["rosewood"]
    assert runs(machine, "muldraugh") == before["muldraugh"]
