"""A manager that lies, or was taken over: it gets nothing that the host's owner does not allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.docker.host import Host
from zedops.wire import DesiredDocument, Goal

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"


@pytest.mark.parametrize(("text", "line"), [
    ("networks: [host]", "host_network: true"),
    ("cap_add: [SYS_ADMIN]", "cap_add: [SYS_ADMIN]"),
    ("volumes: {s: {path: /s, source: /var/run/docker.sock, kind: cache}}", "docker_socket: true"),
    ("volumes: {s: {path: /s, source: /, kind: cache}}", "bind_roots: [/]"),
    ("volumes: {s: {path: /s, source: /etc/../root, kind: cache}}", "bind_roots: [/root]"),
])  # fmt: skip
def test_what_would_give_it_the_host_is_refused_by_default(
    host: Host, text: str, line: str
) -> None:
    server = host.want("taken-over", text)
    failed = host.wait(server, lambda each: each.failure)
    assert line in str(failed.failure)
    assert host.containers() == []


def test_ceilings_and_names_of_images_hold_whatever_is_asked_for(host: Host) -> None:
    host.policy.write_text("memory: 64MiB\nimages: ['docker.io/library/other']\n")
    failed = host.wait(host.want("greedy", "limits: {memory: 1GiB}"), lambda each: each.failure)
    assert "memory: 1024MiB" in str(failed.failure)
    assert "is not among those that may run" in str(failed.failure)
    assert host.containers() == []


def test_a_ceiling_is_not_raised_on_a_container_that_runs(host: Host) -> None:
    server = host.want("rosewood", f"{WORLD}limits: {{memory: 32MiB}}\n")
    host.wait_running(server)
    host.policy.write_text("memory: 32MiB\n")
    host.want("rosewood", f"{WORLD}limits: {{memory: 1GiB}}\n")
    failed = host.wait(server, lambda each: each.failure)
    assert "32MiB is the most here" in str(failed.failure)
    facts = host.container("rosewood")
    assert facts["HostConfig"]["Memory"] == 32 << 20
    assert facts["State"]["Running"]


def test_a_policy_that_was_tightened_starts_nothing_that_it_forbids(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.policy.write_text("images: ['docker.io/library/other']\n")
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    failed = host.wait(server, lambda each: each.failure)
    assert "is not among those that may run" in str(failed.failure)
    assert not host.container("rosewood")["State"]["Running"]


def test_data_is_not_removed_where_its_owner_keeps_it(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_started(server, 1)
    host.policy.write_text("purge: false\n")
    host.want("rosewood", WORLD, goal=Goal.PURGED)
    failed = host.wait(server, lambda each: each.failure)
    assert "this host never removes data" in str(failed.failure)
    assert (host.world(server) / "world.txt").exists()


@pytest.mark.parametrize("server_id", ["../../etc", "..", "", "a" * 26, "0" * 25 + "/"])
def test_an_id_that_is_a_path_is_no_document(host: Host, server_id: str) -> None:
    made = host.want("rosewood", WORLD)
    host.wait_running(made)
    said = host.sync_text().replace(made, server_id)
    with pytest.raises(ValidationError):
        DesiredDocument.model_validate_json(said)
    assert list(Path(host.root, "servers").iterdir()) == [host.world(made).parent]
