"""What people look at: how busy servers are, how things were, the live screen."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import docker
import pytest

from tests.frozen import freeze
from tests.machine import Machine, free_port
from tests.system.servers import LOOP, begin, command, edit, write
from zedops.cli.commands import diff, orphans, plan, ports, validate
from zedops.clone.clone import Clone
from zedops.control import client
from zedops.hub.hub import Hub
from zedops.queries import conversion, servers

pytestmark = [pytest.mark.docker, pytest.mark.system]


def test_stats_say_what_a_server_uses(fleet: Machine) -> None:
    begin(fleet, "busy", command("trap 'exit 0' TERM; while :; do :; done"), "limits: {cpus: 0.5}")
    begin(fleet, "idle", command(LOOP), "limits: {memory: 64MiB}")
    rows = {each["name"]: each for each in json.loads(fleet.zedops("stats", "--json").stdout)}
    assert 0.05 < rows["busy"]["cpu_cores"] < 0.9
    assert rows["idle"]["cpu_cores"] < rows["busy"]["cpu_cores"]
    assert rows["idle"]["memory_limit_bytes"] == 64 * 1024 * 1024
    assert 0 < rows["idle"]["memory_bytes"] < 64 * 1024 * 1024
    assert rows["busy"]["pids"] >= 1
    shown = fleet.zedops("stats").stdout.splitlines()
    assert shown[0].split("\t")[:2] == ["NAME", "CPU"]
    fleet.zedops("delete", "busy", "--yes", "--wait")


def test_list_show_and_history_look_back(fleet: Machine) -> None:
    begin(fleet, "past", command(LOOP))
    then = fleet.git("rev-parse", "origin/main").strip()
    fleet.zedops("stop", "past", "--wait")
    now = {row["name"]: row for row in json.loads(fleet.zedops("list", "--json").stdout)}
    before = json.loads(fleet.zedops("list", "--at", then, "--json").stdout)
    assert now["past"]["status"] == "stopped"
    assert [row["status"] for row in before if row["name"] == "past"] == ["running"]
    shown = json.loads(fleet.zedops("show", "past", "--at", then, "--json").stdout)
    assert shown["status"] == "running"
    since = json.loads(fleet.zedops("history", "past", "--since", then, "--json").stdout)
    assert since[0]["who"] == "Ada"
    assert "running → stopped" in since[-1]["what"]
    until = json.loads(fleet.zedops("history", "past", "--at", then, "--json").stdout)
    assert all("stop" not in each["what"] for each in until)
    said = fleet.zedops("list", "--at", "yesterday-ish", code=2).stderr
    assert "neither a commit nor a time" in said
    assert "had not begun" in fleet.zedops("list", "--at", "2001-01-01", code=2).stderr


def test_the_manager_answers_what_a_command_would_read_without_it(
    fleet: Machine, docker_api: docker.APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(fleet, "seen", command(LOOP), f"ports: {{game: {free_port()}/udp}}")
    stray = docker_api.create_container(fleet.image, labels={
        "zedops.fleet": fleet.fleet, "zedops.server.id": "0" * 26, "zedops.server.name": "stray",
        "zedops.hub": Hub(fleet.hub).identity(),
    })
    try:
        monkeypatch.chdir(fleet.clone)
        Clone.find(fleet.clone).fetch()
        taken, lost = ports.read(None), orphans.read(None)
        assert "seen" in {each.server for each in taken[0]}
        assert "stray" in {each.name for each in lost[0]}
        for asked, read in (("ports", ports.read), ("orphans", orphans.read)):
            # others on this machine open and close ports meanwhile
            fleet.wait_for(
                lambda asked=asked, read=read:  # type: ignore[misc]
                client.asked({"do": asked, "host": None})
                == {"exit": 0, **in_json(dict(zip(("rows", "silent"), read(None), strict=True)))}
            )
            assert client.asked({"do": asked, "host": "locall"}) is None
    finally:
        docker_api.remove_container(stray["Id"], force=True)
    for back in range(3):
        commit = fleet.git("rev-parse", f"origin/main~{back}").strip()
        past = servers.rows(Clone.find(fleet.clone).fleet(commit), include_deleted=True)
        answer = client.asked({"do": "list-at", "buried": True, "at": commit})
        assert answer == {"exit": 0, "rows": in_json(past)}
    assert client.asked({"do": "list-at", "buried": True, "at": "1" * 40}) is None
    assert client.asked({"do": "list-at", "buried": True, "at": "HEAD"}) is None


def test_the_manager_says_of_edits_what_a_command_would_say_without_it(
    fleet: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begin(fleet, "edited", command(LOOP), f"ports: {{game: {free_port()}/udp}}")
    asked: dict[str, Any]
    try:
        monkeypatch.chdir(fleet.clone)
        write(fleet, "drafted")
        write(fleet, "broken", "imag: b")
        edit(fleet, path, "ports:", "env: {GREET: ben}\nports:")
        for asked, read in (
            ({"do": "plan", "server": None}, plan.read(None)),
            ({"do": "plan", "server": "broken"}, plan.read("broken")),
            ({"do": "diff"}, {"rows": diff.read()}),
            ({"do": "validate"}, validate.read(fleet.clone)),
        ):
            answer = client.asked_of_edits(asked, fleet.clone)
            assert answer == {"exit": 0, **in_json(read)}
            assert "broken" in str(answer)
    finally:
        fleet.git("reset", "--quiet", "--hard", "origin/main")
        fleet.git("clean", "--quiet", "--force", "servers.d")


def in_json(said: object) -> Any:
    """Write read models as the socket does."""
    return json.loads(json.dumps(said, default=conversion.plain))


def test_watch_draws_the_fleet_and_ends_with_ctrl_c(fleet: Machine) -> None:
    begin(fleet, "watched", command(LOOP))
    draft = fleet.clone / "servers.d/draft.yaml"
    draft.write_text("image: a\n")
    try:
        with watch(fleet) as (watching, leader):
            seen = drawn(leader, b"watched", b" %", b"running")
            assert b"1 file changed here" in seen
            assert b"not pushed" not in seen, "everything is"
            watching.send_signal(signal.SIGINT)
            assert ended(watching, leader) == 130
    finally:
        draft.unlink()


def test_ctrl_c_ends_watch_while_a_host_takes_its_time(fleet: Machine) -> None:
    begin(fleet, "waiting", command(LOOP))
    with watch(fleet) as (watching, leader):
        drawn(leader, b"waiting", b"running")
        freeze(fleet.pid)
        try:
            while select.select([leader], [], [], 2)[0]:  # it draws no more: it waits for an answer
                os.read(leader, 65536)
            watching.send_signal(signal.SIGINT)
            assert ended(watching, leader) == 130
        finally:
            os.kill(fleet.pid, signal.SIGCONT)


@contextmanager
def watch(fleet: Machine) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `zedops watch` on a terminal; gives the process and the terminal's other end."""
    leader, follower = pty.openpty()
    watching = subprocess.Popen(
        # whatever runs the tests in the background has had Ctrl-C ignored
        ["env", "--default-signal=INT", sys.executable, "-m", "zedops", "watch", "-n", "0.5"],
        cwd=fleet.clone, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(follower)
    try:
        yield watching, leader
    finally:
        watching.kill()
        watching.wait()
        os.close(leader)


def drawn(leader: int, *words: bytes) -> bytes:
    """Read what is drawn until it has all these words."""
    seen, deadline = b"", time.monotonic() + 30
    while not all(each in seen for each in words):
        assert time.monotonic() < deadline, seen
        if select.select([leader], [], [], 1)[0]:
            seen += os.read(leader, 65536)
    return seen


def ended(watching: subprocess.Popen[bytes], leader: int) -> int:
    """Read on, so that it may write, until it ends; returns its exit code."""
    deadline = time.monotonic() + 20
    while watching.poll() is None:
        assert time.monotonic() < deadline, "it goes on"
        if select.select([leader], [], [], 0.1)[0]:
            with suppress(OSError):  # the terminal's other end is closed
                os.read(leader, 65536)
    return watching.returncode
