"""`ready:` by a line of the log, on a real Engine."""

from __future__ import annotations

import pytest

from tests.docker.host import Host
from zedops.protocol.remarks import STARTING

pytestmark = pytest.mark.docker

#: Says its line once a file is in the world, in each run again.
WAITS = ("command: [/bin/sh, -c, 'trap \"exit 0\" TERM; echo begin; while [ ! -e /data/open ];"
         " do /bin/busybox sleep 0.05; done; echo \"it is open $GREET now\";"
         " while :; do /bin/busybox sleep 1 & wait $!; done']\n")
WORLD = "volumes: {world: /data}\nstop: {grace: 1s}\n"


def ready(line: str, timeout: str = "30s") -> str:
    """Write the sign of a definition."""
    return f"ready: {{log: '{line}', timeout: {timeout}}}\n"


def test_a_server_is_starting_until_its_log_says_so_and_others_wait_for_that(host: Host) -> None:
    text = f"{WORLD}{WAITS}{ready('is open .* now$')}"
    server = host.want("rosewood", text)
    app = host.want("app", f"{WORLD}depends_on: [rosewood]\n")
    host.wait(server, lambda each: str(each.note).startswith(STARTING))
    host.wait(app, lambda each: each.note == "it waits for 'rosewood' to be ready")
    assert not host.container("app")["State"]["Running"]

    host.stop()  # another agent reads the log again
    host.start()
    host.wait(server, lambda each: str(each.note).startswith(STARTING))
    seen = len(host.reports)
    (host.world(server) / "kept").touch()
    (host.world(server) / "open").touch()
    host.wait(server, lambda each: each.applied and each.note is None, seen)
    host.wait(app, lambda each: each.applied)

    seen = len(host.reports)  # and what was seen of this process is known
    host.stop()
    host.start()
    known = host.wait(server, lambda each: each.applied, seen)
    assert known.note is None

    seen = len(host.reports)  # the next process has to say it again
    (host.world(server) / "open").unlink()
    host.want("rosewood", f"{text}restart: once\n")
    host.wait(server, lambda each: str(each.note).startswith(STARTING), seen)
    (host.world(server) / "open").touch()
    host.wait(server, lambda each: each.applied and each.note is None, seen)


def test_an_update_whose_line_never_comes_goes_back(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait(server, lambda each: each.applied)
    before = host.container("rosewood")["Id"]
    seen = len(host.reports)
    host.want("rosewood", f"{WORLD}{ready('never', '2s')}env: {{GREET: eve}}\n")
    host.wait(server, lambda each: "did not show `never` within 2 s" in str(each.failure), seen)
    host.until(lambda: host.container("rosewood")["Id"] == before
               and host.container("rosewood")["State"]["Running"])
    host.wait(server, lambda each: "the previous container runs on" in str(each.failure), seen)
    seen = len(host.reports)  # the sign alone was wrong
    host.want("rosewood", f"{WORLD}{ready('greeting eve')}env: {{GREET: eve}}\n")
    host.wait(server, lambda each: each.applied and each.note is None, seen)
    assert host.container("rosewood")["Id"] != before
