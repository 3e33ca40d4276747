"""Health checks that end an update or let others wait, on a real Engine."""

from __future__ import annotations

import pytest

from tests.docker.host import Host
from zedops.protocol.sync import Goal

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 1s}\n"


def check(file: str, more: str = "") -> str:
    """Write a health check that passes once a file is in the world."""
    test = f"[/bin/busybox, test, -e, /data/{file}]"
    return f"health: {{test: {test}, interval: 1s, retries: 2{more}}}\n"


def test_an_update_whose_health_check_never_passes_goes_back(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait(server, lambda each: each.applied)
    before = host.container("rosewood")["Id"]
    seen = len(host.reports)
    host.want("rosewood", f"{WORLD}{check('never')}env: {{GREET: eve}}\n")
    report = host.wait(server, lambda each: "its health check failed" in str(each.failure), seen)
    assert report.failure is not None
    host.until(lambda: host.container("rosewood")["Id"] == before
               and host.container("rosewood")["State"]["Running"])
    host.wait(server, lambda each: "the previous container runs on" in str(each.failure), seen)

    seen = len(host.reports)  # a check that passes ends the update well
    (host.world(server) / "well").touch()
    host.want("rosewood", f"{WORLD}{check('well')}env: {{GREET: eve}}\n")
    host.wait(server, lambda each: each.applied, seen)
    assert host.container("rosewood")["Id"] != before
    assert host.container("rosewood")["State"]["Running"]


def test_a_server_starts_after_those_that_it_depends_on_and_never_stops_for_them(
    host: Host
) -> None:
    db = host.want("db", WORLD + check("ready", ", start_period: 60s"))
    app = host.want("app", f"{WORLD}depends_on: {{db: {{condition: service_healthy}}}}\n")
    host.wait(db, lambda each: each.container is not None and each.container.running)
    host.wait(app, lambda each: each.note == "it waits for 'db' to be healthy")
    assert not host.container("app")["State"]["Running"]
    (host.world(db) / "ready").touch()
    host.wait(app, lambda each: each.applied)
    began = host.container("app")["State"]["StartedAt"]
    assert began > host.container("db")["State"]["StartedAt"]
    seen = len(host.reports)
    host.want("db", WORLD + check("ready", ", start_period: 60s"), goal=Goal.STOPPED)
    host.wait(db, lambda each: each.applied, seen)
    assert host.container("app")["State"]["StartedAt"] == began
    assert host.container("app")["State"]["Running"]
