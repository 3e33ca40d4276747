"""A hub that a group shares, as docs/recipes.md says: others push to it, or are told why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git.gatekeeper import gatekeeper
from zedops.clone.clone import Clone
from zedops.control.client import opened
from zedops.errors import DoorClosed
from zedops.git import stderr
from zedops.hub.hub import Hub

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
#: A user and a group that nobody has.
USER, GROUP = 64_211, 64_212


def steps() -> list[str]:
    """Read what the page says to do to the hub; accounts are not made for a test."""
    part = PAGE.read_text().partition("## Others may push, too")[2].partition("\n## ")[0]
    lines = re.findall(r"^\$ ((?:sudo )?(?:git|chgrp|chmod|find) [^#\n]+)", part, re.MULTILINE)
    return [each.removeprefix("sudo ").strip().replace(" fleet ", f" {GROUP} ") for each in lines]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Have a folder that others may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="zedops-shared-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def shared(open_folder: Path) -> tuple[Hub, Path]:
    """Share a hub with a group; returns it and the home of somebody in it."""
    tmp_path = open_folder
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    hub = Hub.create(tmp_path / "fleet.git")
    owner = Clone.begin(hub, tmp_path / "mine")
    (owner.root / "zedops.yaml").write_text("name: fleet\n")
    as_owner = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for line in (["add", "--all"], ["commit", "-qm", "begin"], ["push", "-q"]):
        subprocess.run([*as_owner, *line], cwd=owner.root, check=True)
    assert len(steps()) == 5
    for step in steps():
        subprocess.run(step, shell=True, cwd=hub.path, check=True)  # noqa: S602 - the page's words
    home = tmp_path / "ben"
    home.mkdir()
    os.chown(home, USER, GROUP)
    return hub, home


def as_ben(home: Path, *line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as the other user."""
    return subprocess.run(
        line, cwd=cwd or home, user=USER, group=GROUP, extra_groups=[], capture_output=True,
        text=True, check=False, umask=0o022,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "GIT_AUTHOR_NAME": "Ben",
             "GIT_AUTHOR_EMAIL": "ben@example.org", "GIT_COMMITTER_NAME": "Ben",
             "GIT_COMMITTER_EMAIL": "ben@example.org"},
    )


def cloned(hub: Hub, home: Path) -> Path:
    """Clone it as the other user, with a server in it that is not pushed."""
    as_ben(home, "git", "config", "--global", "safe.directory", str(hub.path))
    done = as_ben(home, "git", "clone", "-q", str(hub.path), "fleet")
    assert done.returncode == 0, done.stderr
    clone = home / "fleet"
    as_ben(home, "git", "config", "remote.origin.push", "HEAD:refs/for/main", cwd=clone)
    as_ben(home, "sh", "-c", "mkdir servers.d; echo 'image: a' > servers.d/a.yaml", cwd=clone)
    as_ben(home, "git", "add", "--all", cwd=clone)
    assert as_ben(home, "git", "commit", "-qm", "a: begin", cwd=clone).returncode == 0
    return clone


def test_a_stranger_s_hub_is_said_to_be_one(shared: tuple[Hub, Path]) -> None:
    hub, home = shared
    done = as_ben(home, "git", "clone", "-q", str(hub.path), "fleet")
    assert "dubious ownership" in done.stderr
    said = str(stderr.failure(("clone",), done.stderr))
    assert f"if you trust it: git config --global --add safe.directory {hub.path}" in said
    assert stderr.is_of_another(said)


def test_another_user_pushes_and_may_not_ask_the_manager(shared: tuple[Hub, Path]) -> None:
    hub, home = shared
    if as_ben(home, "sh", "-c", f"exec {sys.executable} -c 'import pydantic'").returncode != 0:
        pytest.skip(f"another user cannot run {sys.executable}")
    with gatekeeper(hub):
        clone = cloned(hub, home)
        done = as_ben(home, "git", "push", cwd=clone)
        assert done.returncode == 0, done.stderr
        assert "which belongs to another user, applies it" in done.stderr
        assert "servers.d/a.yaml" in hub.repository.tree("refs/heads/main")
        script = (f"from pathlib import Path; from zedops.control import client as door\n"
                  f"with door.opened(Path({str(hub.path)!r})): pass")
        asked = as_ben(home, sys.executable, "-c", script)
        assert DoorClosed.__name__ in asked.stderr
        with opened(hub.path):
            pass


def test_who_cannot_run_the_hub_s_python_is_refused_and_told(
    shared: tuple[Hub, Path], tmp_path: Path
) -> None:
    hub, home = shared
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("pre-receive", "proc-receive", "post-receive"):
        script = hub.path / "hooks" / name
        script.write_text(script.read_text().replace(sys.executable, f"{closed}/python"))
    (closed / "python").symlink_to(sys.executable)
    clone = cloned(hub, home)
    done = as_ben(home, "git", "push", cwd=clone)
    assert done.returncode != 0
    assert f"the hub checks pushes with {closed}/python, which this user cannot run" in done.stderr
    assert "servers.d/a.yaml" not in hub.repository.tree("refs/heads/main")
