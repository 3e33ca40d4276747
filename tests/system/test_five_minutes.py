"""The five-minute start, followed literally: every command of the page, in its order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.machine import Machine, became
from tests.system.servers import LOOP

pytestmark = [pytest.mark.docker, pytest.mark.system]

PAGE = Path(__file__).parents[2] / "docs" / "index.md"
IMAGE = "nginx:alpine"
NAME, TAG = IMAGE.split(":")
#: What the page's image does that the page needs: a web server on port 80.
_SERVES = f"echo welcome > /tmp/index.html; /bin/busybox httpd -p 80 -h /tmp; {LOOP}"
SERVES = f"CMD {json.dumps(['/bin/sh', '-c', _SERVES])}"


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Read the page's console blocks: where each is typed, and its commands."""
    found = re.findall(r'```console(?: title="([^"]*)")?\n(.*?)```', text, re.DOTALL)
    return [
        (title, [line[2:] for line in body.splitlines() if line.startswith("$ ")])
        for title, body in found
    ]


@pytest.fixture
def page_image(docker_api: docker.APIClient, image: str) -> Iterator[None]:
    """Have the page's image here, as if it had been pulled; a real one comes back afterwards."""
    real = next((each["Id"] for each in docker_api.images(name=IMAGE)), None)
    made = docker_api.create_container(image)
    docker_api.commit(made["Id"], NAME, TAG, changes=SERVES)
    docker_api.remove_container(made["Id"])
    yield
    docker_api.remove_image(IMAGE, force=True)
    if real is not None:
        docker_api.tag(real, NAME, TAG)


class Terminal:
    """A shell that a person types into."""

    def __init__(self, folder: Path) -> None:
        self._shell = subprocess.Popen(
            ["bash"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )

    def type(self, command: str) -> tuple[int, str]:
        """Type a command; returns its exit code and what it said."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\necho \"::$?::\"\n")
        self._shell.stdin.flush()
        said = ""
        for line in self._shell.stdout:
            if (end := re.search(r"::(\d+)::$", line.rstrip())) is not None:
                return int(end[1]), said + line[: end.start()]
            said += line
        raise AssertionError(f"the shell ended in {command!r}: {said}")

    def close(self) -> None:
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.communicate(timeout=30)


def test_every_command_of_the_page_works(
    tmp_path: Path, machine: Machine, page_image: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEDOPS_DATA_ROOT", str(tmp_path / "data"))
    where, said = tmp_path / "start", ""
    where.mkdir()
    typed = blocks(PAGE.read_text())
    assert sum(len(commands) for _, commands in typed) > 15, "the page could not be read"
    first, second = Terminal(where), Terminal(where)
    up: subprocess.Popen[bytes] | None = None
    try:
        for title, commands in typed:
            for command in commands:
                if command.startswith(("python3 -m venv", ". ", "pip install")):
                    continue  # it is installed: these tests run from it
                if title == "terminal 1":
                    log = (tmp_path / "up.log").open("wb")
                    up = subprocess.Popen(
                        [sys.executable, "-u", "-m", *command.split()], cwd=where, stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                    log.close()
                    machine.log = tmp_path / "up.log"
                    machine.wait_for(lambda: "Ctrl-C ends" in machine.log.read_text())
                    continue
                if command.startswith("curl"):
                    machine.wait_for(lambda command=command: second.type(command)[0] == 0)  # type: ignore[misc]
                if command.startswith("zedops history"):  # the page's own pause may be too short
                    machine.wait_for(lambda command=command: "missing" in second.type(command)[1])  # type: ignore[misc]
                terminal = second if title == "terminal 2" else first
                code, text = terminal.type(without_tools(command))
                said += f"$ {command}\n{text}"
                assert code == 0, said
    finally:
        for terminal in (first, second):
            terminal.close()
        if up is not None:
            up.send_signal(signal.SIGINT)
            assert up.wait(30) == 0
        remove_containers(machine, where / "fleet.git")
    assert "welcome" in said
    assert 'status: "running"' in said, said
    assert became(said, "hello", "running")
    assert "running → missing → creating → running" in said or "missing" in said
    assert "hello deleted" in said.splitlines()[-1] + said.splitlines()[-2]


def remove_containers(machine: Machine, hub: Path) -> None:
    """Remove what a failed run left; by ids, because a fleet of the user may have that name."""
    said = machine.git("log", "-p", "main", cwd=hub, code=None) if hub.exists() else ""
    for server_id in set(re.findall(r'\bid: "?([0-9A-Z]{26})', said)):
        label = {"label": f"zedops.server.id={server_id}"}
        for each in machine.api.containers(all=True, filters=label):
            machine.api.remove_container(each["Id"], force=True)


def without_tools(command: str) -> str:
    """Do without curl and docker's own client where a machine has none: the same by Python."""
    for tool, statements in _STAND_INS.items():
        command = command.replace(tool, f"python -c '{statements}' ")
    return command


_STAND_INS = {
    "curl -s ": "import sys, urllib.request as u; "
    "print(u.urlopen(sys.argv[1], timeout=5).read().decode())",
    "docker rm -f ": "import docker, sys; "
    "docker.APIClient(**docker.utils.kwargs_from_env()).remove_container(sys.argv[1], force=True)",
}
