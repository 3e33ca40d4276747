"""Canaries: secrets of every kind in a real fleet, and a search through all it says or keeps."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command, edit, is_running, write

pytestmark = [pytest.mark.docker, pytest.mark.system]


def secret(
    machine: Machine, *arguments: str, value: str | bytes = "", code: int = 0, output: str = ""
) -> str:
    """Run `zedops secret` with a value on standard input; returns what it said on both streams."""
    raw = value.encode() if isinstance(value, str) else value
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(Path(output).open("wb")) if output else subprocess.PIPE
        done = subprocess.run(
            [sys.executable, "-m", "zedops", "secret", *arguments], cwd=machine.clone, input=raw,
            stdout=out, stderr=subprocess.PIPE, check=False, timeout=120,
            env={**os.environ, "ZEDOPS_DATA_ROOT": str(machine.data_root),
                 "TMPDIR": str(machine.folder)},
        )  # fmt: skip
    said = (done.stdout or b"").decode() + done.stderr.decode()
    assert done.returncode == code, (done.returncode, said, machine.said())
    return said


@contextlib.contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Collect the command lines, and what zedops and git have for environment, meanwhile."""
    seen: set[bytes] = set()
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.005):
            for each in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    line = (each / "cmdline").read_bytes()
                    seen.add(line)
                    if b"zedops" in line or b"git" in line:
                        seen.add((each / "environ").read_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


def objects(machine: Machine) -> bytes:
    """Read everything that is in the hub, reachable or not (git-cat-file(1))."""
    done = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"],
        cwd=machine.hub, stdout=subprocess.PIPE, check=True, timeout=60,
    )
    return done.stdout


def canary(kind: str) -> str:
    return f"canary-{kind}-{uuid.uuid4().hex}"


def env_of(machine: Machine, name: str) -> list[str]:
    facts = machine.container(name)
    assert facts is not None
    found: list[str] = facts["Config"]["Env"] or []
    return found


def test_planted_secrets_are_in_nothing_but_their_own_places(machine: Machine) -> None:
    machine.init()
    machine.up()
    on_host, as_file, in_fleet, crashing, mistyped = map(
        canary, ("host", "file", "fleet", "crash", "typo")
    )
    shown = []
    with watched_processes() as processes:
        shown.append(secret(machine, "recipients"))
        machine.pull()
        shown.append(secret(machine, "set", "guarded", "ADMIN_PASSWORD", value=on_host))
        begin(machine, "guarded", "secrets: [ADMIN_PASSWORD]")
        shown.append(secret(machine, "encrypt", "guarded", "SEALED", value=f"{in_fleet}\n"))
        machine.wait_for(lambda: f"SEALED={in_fleet}" in env_of(machine, "guarded"))
        assert f"ADMIN_PASSWORD={on_host}" in env_of(machine, "guarded")

        shown.append(secret(machine, "set", "filed", "RCON", value=as_file))
        machine.pull()
        begin(machine, "filed", "secrets: [RCON]", "secrets_as: files")
        assert as_file not in str(machine.container("filed"))

        shown.append(secret(machine, "set", "loud", "RCON", value=crashing))
        loud = write(machine, "loud", "secrets: [RCON]", "secrets_as: files",
                     command('echo "it is $(/bin/busybox cat /run/secrets/RCON)"; exit 7'))
        shown.append(machine.push("loud"))
        machine.wait_for(lambda: machine.state("loud").get("status") == "failed", 60)
        assert "last log lines: it is ***" in machine.state("loud")["message"]
        machine.pull()
        edit(machine, loud, "exit 7", LOOP)
        shown.append(machine.git("push"))
        machine.wait_for(lambda: is_running(machine, "loud"))

        # what goes wrong says nothing either: a bug's log file, a value that is no text, a typo
        bug = secret(machine, "set", "guarded", "X", value=mistyped, code=3, output="/dev/full")
        assert "this is a bug" in bug
        assert [*machine.folder.glob("zedops-*.log")]
        shown += [bug, secret(machine, "set", "guarded", "X", value=mistyped.encode() + b"\xff",
                              code=2)]
        machine.pull()
        write(machine, "typo", f"secrets: {{ADMIN: {mistyped}}}")
        machine.git("add", "--all")
        machine.git("commit", "--quiet", "-m", "typo")
        shown.append(machine.git("push", code=1))
        assert "secrets.ADMIN: is neither empty" in shown[-1]
        machine.git("reset", "--quiet", "--hard", "HEAD~1")

        data_root = ["--data-root", str(machine.data_root)]
        shown += [
            machine.zedops(*asked).stdout for asked in
            (["list", "--json"], ["show", "guarded", "--json"], ["show", "guarded"], ["diff"],
             ["history", "--json"], ["ports", "--json"], ["orphans", "--json"], ["host", "list"],
             ["validate"], ["secret", "list", *data_root], ["secret", "list", "--json", *data_root])
        ]
    machine.down()
    canaries = (on_host, as_file, in_fleet, crashing, mistyped)
    for each in canaries:
        assert not [line for line in shown if each in line]
        assert not [line for line in processes if each.encode() in line]
        assert each.encode() not in objects(machine)
    assert b"age:" in objects(machine)  # the search finds what is there
    assert any(b"secret\0set" in line for line in processes)
    _in_no_file(machine, canaries)


def _in_no_file(machine: Machine, canaries: tuple[str, ...]) -> None:
    """Search every file under the folder: hub, clone, log of `up`, state, bug logs."""
    secrets = machine.data_root / "secrets"
    files = [each for each in machine.folder.rglob("*")
             if each.is_file() and not each.is_relative_to(secrets)]
    assert machine.log in files
    assert machine.data_root / "agent" / machine.fleet / "desired.json" in files
    for each in files:
        raw = each.read_bytes()
        assert not [kind for kind in canaries if kind.encode() in raw], each
    kept = [each for each in secrets.rglob("*") if each.is_file()]
    assert {each.stat().st_mode & 0o777 for each in kept} == {0o600}
    folders = [each for each in secrets.rglob("*") if each.is_dir()]
    assert {each.stat().st_mode & 0o077 for each in folders} == {0}


def test_secrets_are_listed_set_and_removed_without_their_values(machine: Machine) -> None:
    machine.init()
    assert "key of host 'local' is not in zedops.yaml" in _encrypt_without_a_key(machine)
    secret(machine, "set", "a", "TOKEN", value="v")
    secret(machine, "set", "a", "LEFT_OVER", value="v")
    rows = json.loads(secret(machine, "list", "--json"))
    assert [(each["server"], each["name"], each["set"], each["asked_for"]) for each in rows] == [
        ("a", "LEFT_OVER", True, False), ("a", "TOKEN", True, True),
    ]  # fmt: skip
    assert "is removed" in secret(machine, "remove", "a", "LEFT_OVER", "--yes")
    assert "is not set here" in secret(machine, "remove", "a", "LEFT_OVER", "--yes", code=2)
    for server, name in (("../a", "TOKEN"), ("a", "../TOKEN"), ("a", "A/B"), ("a", "")):
        assert "cannot be" in secret(machine, "set", "--", server, name, value="v", code=2)
    assert "cannot be used" in secret(machine, "set", "a", "TOKEN", value="\n", code=2)
    assert "cannot be used" in secret(machine, "set", "a", "TOKEN", value="a\0b", code=2)


def _encrypt_without_a_key(machine: Machine) -> str:
    machine.write("servers.d/a.yaml", f"image: {machine.image}\nsecrets: [TOKEN]\n")
    machine.push("a")
    return secret(machine, "encrypt", "a", "TOKEN", value="v", code=2)
