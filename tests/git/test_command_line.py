"""What a person gets who mistypes, and with which exit code. No manager runs here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("command-line")  # one fleet is enough


def zedops(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with nobody to answer its questions."""
    return subprocess.run(
        [sys.executable, "-m", "zedops", *arguments], cwd=cwd, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, timeout=120,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fleet with one server that nobody has taken up."""
    folder = tmp_path_factory.mktemp("line")
    assert zedops("init", "fleet", cwd=folder).returncode == 0
    made = zedops("new", "rosewood", "--image", "a", cwd=folder / "fleet")
    assert made.returncode == 0, made.stderr
    return folder / "fleet"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("lst", 2, "no command 'lst'; did you mean 'list'?"),
        ("xyzzy", 2, "no command 'xyzzy'\n"),
        ("show rosewod", 2, "no server 'rosewod'; did you mean 'rosewood'?"),
        ("show", 2, "Missing argument 'SERVER'"),
        ("logs rosewood", 1, "no manager is running on"),
        ("exec rosewood -- true", 1, "no manager is running on"),
        ("stop rosewood --wait", 1, "nobody to wait for"),
        ("move rosewood --host cellar", 2, "no host 'cellar'; the fleet has local"),
        ("delete rosewood", 130, "interrupted"),
        ("status rosewood", 0, ""),
    ],
)
def test_what_is_mistyped_or_cannot_be_is_said_with_its_code(
    clone: Path, line: str, code: int, said: str
) -> None:
    done = zedops(*line.split(), cwd=clone)
    assert (done.returncode, done.stderr) == (code, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_fleet_every_command_says_how_to_get_into_one(tmp_path: Path) -> None:
    for line in ("list", "history", "plan", "stop rosewood", "logs rosewood"):
        done = zedops(*line.split(), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is no clone of a fleet; go into a clone of a fleet, or make one" in done.stderr
