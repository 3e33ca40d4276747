"""A manager that lies, or was taken over: it gets nothing that the host's owner does not allow."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.docker.host import Host
from zedops.protocol.sync import DesiredDocument, Goal

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"


@pytest.mark.parametrize(("text", "line"), [
    ("networks: [host]", "host_network: true"),
    ("cap_add: [SYS_ADMIN]", "cap_add: [SYS_ADMIN]"),
    ("volumes: {s: {path: /s, source: /var/run/docker.sock, kind: cache}}", "docker_socket: true"),
    ("volumes: {s: {path: /s, source: /, kind: cache}}", "bind_roots: [/]"),
    ("volumes: {s: {path: /s, source: /etc/../root, kind: cache}}", "bind_roots: [/root]"),
    ("labels: {traefik.enable: 'true'}", 'labels: ["traefik.enable"]'),
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


@pytest.mark.parametrize("policy", ["images: ['docker.io/library/other']\n", "nonsense: [\n"])
def test_what_a_policy_forbids_the_engine_does_not_start_again_either(
    host: Host, policy: str
) -> None:
    """The Engine asks no policy: after a crash or a reboot it is left to the agent."""
    server = host.want("rosewood", WORLD)
    host.wait_running(server)

    def restarts() -> str:
        return str(host.container("rosewood")["HostConfig"]["RestartPolicy"]["Name"])

    assert restarts() == "unless-stopped"
    started = host.container("rosewood")["State"]["StartedAt"]
    host.policy.write_text(policy)
    host.until(lambda: restarts() == "no")
    said = host.wait(server, lambda each: each.note)
    assert "it runs on, and is not started again" in str(said.note)
    assert host.container("rosewood")["State"]["StartedAt"] == started
    host.policy.write_text("")
    host.until(lambda: restarts() == "unless-stopped")
    assert host.container("rosewood")["State"]["StartedAt"] == started


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
    found = Path(host.root, "servers").glob("[!.]*")
    assert list(found) == [host.world(made).parent]


@pytest.fixture
def network(host: Host) -> Iterator[str]:
    """Make a network in which somebody else's container is, one that does not even run."""
    name = f"{host.fleet}-private"
    made = host.api.create_network(name, internal=True)["Id"]
    config = host.api.create_host_config(network_mode=name)
    theirs = host.api.create_container(host.image, host_config=config)["Id"]
    yield name
    host.stop()  # an agent at work would make a removed container again
    for each in [*host.containers(), theirs]:
        host.api.remove_container(each, force=True)
    host.api.remove_network(made)


def test_a_network_of_others_is_joined_only_where_its_owner_allows_it(
    host: Host, network: str
) -> None:
    server = host.want("joins", f"networks: [{network}]")
    failed = host.wait(server, lambda each: each.failure)
    assert f'networks: ["{network}"]' in str(failed.failure)
    by_id = host.api.inspect_network("host")["Id"]
    hidden = host.want("hidden", f"networks: ['{by_id[:12]}']")
    assert "host_network: true" in str(host.wait(hidden, lambda each: each.failure).failure)
    assert host.containers() == []
    host.policy.write_text(f"networks: [{network}]\n")
    host.want("joins", f"networks: [{network}]\nenv: {{A: b}}")
    host.wait_running(server)


def test_a_network_in_which_nobody_else_is_needs_no_word_of_its_owner(host: Host) -> None:
    made = host.api.create_network(f"{host.fleet}-own")["Id"]
    try:
        for name in ("first", "second"):
            host.wait_running(host.want(name, f"networks: [{host.fleet}-own]"))
    finally:
        host.stop()
        for each in host.containers():
            host.api.remove_container(each, force=True)
        host.api.remove_network(made)


def test_a_named_volume_is_judged_by_the_directory_that_it_binds(host: Host) -> None:
    name = f"{host.fleet}-bound"
    options = {"type": "none", "o": "bind", "device": "/etc"}
    host.api.create_volume(name, driver_opts=options)
    host.policy.write_text("bind_roots: [/var]\n")
    try:
        text = f"volumes: {{s: {{path: /s, source: {name}, kind: cache, read_only: true}}}}"
        failed = host.wait(host.want("reads", text), lambda each: each.failure)
        assert "bind_roots: [/etc]" in str(failed.failure)
        assert host.containers() == []
    finally:
        host.api.remove_volume(name)


def test_a_registry_that_the_policy_does_not_allow_is_not_even_asked(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host.policy.write_text("images: ['ghcr.io/good/**']\n")
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = host.want("asks", f"image: {address}/internal/admin:1\n")
        failed = host.wait(server, lambda each: each.failure)
        assert f'images: ["{address}/internal/admin"]' in str(failed.failure)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_an_image_cannot_be_named_by_its_id_where_names_are_judged(host: Host) -> None:
    known = host.api.images(host.image)[0]["Id"]
    host.policy.write_text("images: ['docker.io/**']\n")
    for name, image in {"whole": known, "part": known[:20]}.items():
        failed = host.wait(host.want(name, f"image: {image}\n"), lambda each: each.failure)
        assert "is an id or no image's name" in str(failed.failure)
    # without its algorithm it is a name to the registry, and an id to the Engine
    bare = host.want("bare", f"image: '{known.removeprefix('sha256:')[:12]}'\n")
    assert "cannot pull" in str(host.wait(bare, lambda each: each.failure).failure)
    assert host.containers() == []


def test_an_image_gives_a_container_no_label_that_zedops_or_other_programs_obey(
    host: Host, tmp_path: Path
) -> None:
    """Labels of an image count for its containers: one could have a directory removed."""
    name = f"{host.fleet}-labels:1"
    lines = [f"FROM {host.image}", "LABEL zedops.secrets.names=A zedops.secrets=k:v zedops.x=1",
             "LABEL traefik.enable=true org.opencontainers.image.title=t team=red"]
    recipe = io.BytesIO("\n".join(lines).encode())
    assert "errorDetail" not in str(list(host.api.build(fileobj=recipe, tag=name, decode=True)))
    elsewhere = tmp_path / "zedops-secrets" / "a" / "b" / ("0" * 16)
    elsewhere.mkdir(parents=True)
    (elsewhere / "kept").write_text("kept")
    host.policy.write_text(f"purge: false\nbind_roots: [{tmp_path}]\n")
    try:
        text = f"image: {name}\nvolumes: {{s: {{path: /run/secrets, source: {elsewhere}}}}}\n"
        server = host.want("labelled", text)
        host.wait_running(server)
        labels = host.container("labelled")["Config"]["Labels"]
        wanted = ("zedops.secrets", "zedops.secrets.names", "zedops.x", "traefik.enable")
        assert {key: labels[key] for key in wanted} == dict.fromkeys(wanted, "")
        assert (labels["org.opencontainers.image.title"], labels["team"]) == ("t", "red")
        host.want("labelled", text, goal=Goal.DELETED)
        host.until(lambda: host.containers() == [])
        host.stop()
        assert (elsewhere / "kept").exists()
    finally:
        for each in host.containers():
            host.api.remove_container(each, force=True)
        host.api.remove_image(name)


@pytest.mark.parametrize(("options", "said"), [
    ({"pid_mode": "host"}, "pid"), ({"privileged": True}, "privileged"),
    ({"ipc_mode": "host"}, "ipc"), ({"uts_mode": "host"}, "uts"),
    ({"cgroup_parent": "/x"}, "cgroup_parent"), ({"dns_opt": ["rotate"]}, "dns_options"),
    ({"userns_mode": "host"}, "userns_mode"), ({"oom_score_adj": 5}, "oom_score_adj"),
])  # fmt: skip
def test_what_no_definition_can_say_is_not_taken_over_either(
    host: Host, options: dict[str, Any], said: str
) -> None:
    name = f"{host.fleet}-theirs"
    host.policy.write_text("adopt: ['*']\n")
    config = host.api.create_host_config(**options)
    made = host.api.create_container(host.image, name=name, host_config=config)["Id"]
    try:
        server = host.want("mine", f"adopt: {name}")
        failed = host.wait(server, lambda each: each.failure)
        assert "has options that no definition can express" in str(failed.failure)
        assert said in str(failed.failure)
    finally:
        host.api.remove_container(made, force=True)


def test_a_plain_container_is_taken_over_where_the_policy_names_it_and_only_there(
    host: Host,
) -> None:
    name = f"{host.fleet}-theirs"
    made = host.api.create_container(host.image, name=name)["Id"]
    try:
        server = host.want("mine", f"adopt: {made[:12]}")
        failed = host.wait(server, lambda each: each.failure)
        assert f'adopt: ["{name}"]' in str(failed.failure)
        host.policy.write_text(f"adopt: [{name}]\n")
        host.want("mine", f"adopt: {name}")
        found = host.wait_running(server)
        assert found.container is not None
        assert found.container.id == made
    finally:
        host.stop()
        host.api.remove_container(made, force=True)
