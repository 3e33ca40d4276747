"""The commands of README and of the pages, typed as they are written, in the order of their page.

`NOT_RUN` is the one place that says which are not, and why; `index.md` has a test of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.machine import Machine

pytestmark = [pytest.mark.docker, pytest.mark.system]

ROOT = Path(__file__).parents[2]
GAME = "indifferentbroccoli/projectzomboid-server-docker"
#: What a command looks like → why no test types it.
NOT_RUN = {
    r"pip install|python3 -m venv": "it is installed: these tests run from it",
    r"scripts/(demo|test)": "CI runs it by itself",
    r"zedops (up|init) fleet|cd fleet && zedops up": "five minutes, reboot, upstream",
    r"zedops up fleet --(advertise|systemd)": "test_many_hosts and test_reboot",
    r"agent join|host (add|remove) attic|zedops move": "a second machine: test_many_hosts",
    r"rsync|mv \$id|^id=": "a second machine",
    r"^(nsc|--allow|zedops (manager|agent connect))|^--": "a NATS of one's own",
    r"journalctl|systemctl|/opt/zedops|useradd|groupadd|usermod|install -": "changes the machine",
    r"core.sharedRepository|sudo ch|sudo find|^cd fleet\.git": "test_shared_hubs",
    r"zedops import": "test_import",
    r"bashrc|zshrc|config/fish": "test_completion",
    r"gpg.format|signingkey|gpgsign": "test_signed_pushes",
    r"list --at": "the fleet had not begun then",
}
PAGES = ["README.md", "docs/project-zomboid.md", "docs/secrets.md", "docs/recipes.md",
         "docs/many-hosts.md", "docs/operations.md", "docs/observability.md", "docs/upstream.md",
         "docs/who-may-do-what.md", "docs/nats-cluster.md"]


def commands(page: str) -> list[str]:
    """Read what a page says to type."""
    found = []
    for body in re.findall(r"```console[^\n]*\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        lines = [each.strip() for each in body.splitlines() if each.strip()]
        prompts = ("$ ", "# ")
        if any(each.startswith("$ ") for each in lines) or all(each[:2] == "# " for each in lines):
            found += [each[2:] for each in lines if each.startswith(prompts)]
        else:
            found += [each for each in lines if not each.startswith("#")]
    return [re.sub(r"\s{2,}#.*", "", each) for each in found]


def reason(command: str) -> str | None:
    """Say why a command is not typed here; None if it is."""
    return next((why for like, why in NOT_RUN.items() if re.search(like, command)), None)


@pytest.fixture
def game(docker_api: docker.APIClient, image: str) -> Iterator[None]:
    """Have the game's image here, as if it had been pulled."""
    there = docker_api.images(name=GAME)
    if not there:
        docker_api.tag(image, GAME, "latest")
    yield
    if not there:
        docker_api.remove_image(f"{GAME}:latest", force=True, noprune=True)


def type_in(machine: Machine, command: str) -> str:
    """Type a command in the clone, with an editor that adds a comment; returns what it says."""
    editor = machine.folder / "editor"
    editor.write_text("#!/bin/sh\nsed -i '1i # mine' \"$1\"\n")
    editor.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", command], cwd=machine.clone, input="s3cret\n", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
        env={**os.environ, "EDITOR": str(editor), "ZEDOPS_DATA_ROOT": str(machine.data_root),
             "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, (command, done.stdout, machine.said())
    return done.stdout


def test_every_reason_is_of_a_command_that_is_there() -> None:
    every = [each for page in PAGES for each in commands(page)]
    assert len(every) > 60
    assert not [like for like in NOT_RUN if not any(re.search(like, each) for each in every)]


def test_what_the_pages_say_to_type_works(fleet: Machine, game: None) -> None:
    typed = 0
    for page in ("README.md", "docs/project-zomboid.md"):
        for name in ("rosewood", "muldraugh"):
            for secret in ("ADMIN_PASSWORD", "RCON_PASSWORD"):
                type_in(fleet, f"zedops secret set {name} {secret}")
        typed += _type_all(fleet, page)
        said = type_in(fleet, "zedops list")
        assert re.search(r"^rosewood\trunning", said, re.MULTILINE), said
        if page == "README.md":
            type_in(fleet, "zedops purge rosewood --data --confirm rosewood --wait")
    for page in PAGES[2:]:
        typed += _type_all(fleet, page)
    assert typed > 18
    for name in ("rosewood", "muldraugh"):
        type_in(fleet, f"zedops purge {name} --data --confirm {name} --wait")


def _type_all(fleet: Machine, page: str) -> int:
    """Type what a page says; returns how many commands that were."""
    known = [each for each in commands(page) if reason(each) is None and each != "cd fleet"]
    for command in known:
        type_in(fleet, command)
    return len(known)
