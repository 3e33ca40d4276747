"""Ten thousand commits at once, in a push or while nobody was there: one change, and bounded."""

from __future__ import annotations

import subprocess
import time

import psutil
import pytest

from tests.machine import Machine
from tests.system.servers import begin, runs, wait_status

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(240)]

MANY = 10_000
#: What a manager of one server may need; all of the commits in memory would be far more.
MOST_BYTES = 200 << 20


def pile_up(machine: Machine, count: int) -> None:
    """Commit so often to a file of the clone, each commit a change of what runs."""
    path = machine.clone / "servers.d/rosewood.yaml"
    text = path.read_text()
    head = machine.git("rev-parse", "HEAD").strip()
    now = int(time.time())
    parts = []
    for number in range(1, count + 1):
        new = text.replace("GREET: ada", f"GREET: somebody{number}").encode()
        parts.append(b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\n" % now)
        parts.append(b"data 4\nmany\n" + (f"from {head}\n".encode() if number == 1 else b""))
        parts.append(b"M 100644 inline servers.d/rosewood.yaml\ndata %d\n%s\n" % (len(new), new))
    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"], cwd=machine.clone, check=True,
        input=b"".join(parts),
    )
    machine.git("reset", "--quiet", "--hard", "main")


def test_ten_thousand_commits_in_one_push_and_as_many_while_nobody_was_there_are_one_change(
    machine: Machine,
) -> None:
    machine.init()
    for key in ("pack.window", "core.compression"):  # to push so much shall not be what takes time
        machine.git("config", key, "0")
    machine.up()
    begin(machine, "rosewood", "env: {GREET: ada}")
    before = runs(machine, "rosewood")
    pile_up(machine, MANY)
    assert "rosewood" in machine.git("push")
    wait_for_greeting(machine, MANY)
    after = runs(machine, "rosewood")
    assert after != before
    assert psutil.Process(machine.pid).memory_info().rss < MOST_BYTES
    machine.pull()
    machine.down()
    path = machine.clone / "servers.d/rosewood.yaml"
    path.write_text(path.read_text().replace(f"somebody{MANY}", "ada"))
    machine.git("commit", "--quiet", "--all", "-m", "as it was")
    pile_up(machine, MANY - 1)
    assert "no manager is running" in machine.git("push")
    machine.up()
    wait_for_greeting(machine, MANY - 1)
    wait_status(machine, "rosewood", "running")
    assert psutil.Process(machine.pid).memory_info().rss < MOST_BYTES
    machine.down()
    said = machine.git("rev-list", "--count", "main", cwd=machine.hub)
    assert int(said) > 2 * MANY - 1


def wait_for_greeting(machine: Machine, number: int) -> None:
    """Wait until the newest of them is what runs."""
    machine.wait_for(lambda: f"GREET=somebody{number}" in str(machine.container("rosewood")))
