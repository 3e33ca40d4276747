"""The agent's rules against a real Engine."""

from __future__ import annotations

import shutil
import socket
from typing import Any

import pytest

from tests.docker.host import Host
from tests.machine import free_port
from zedops.protocol.sync import Goal
from zedops.spec.model import Drift

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"
CRASHES = "command: [/bin/busybox, sh, -c, 'echo cannot load the world; exit 7']\n"


def test_what_a_definition_says_is_what_runs(host: Host) -> None:
    port = free_port()
    server = host.want("full", (
        f"{WORLD}ports:\n  web: '{port}:8080'\n  rcon: {{container: 27015/tcp, publish: none}}\n"
        "  local: {container: 9000/udp, host: 9000, publish: none}\n"
        "env: {GREET: you, UMASK: 022}\nlimits: {memory: 64MiB, cpus: 0.5, pids: 99}\n"
        "labels: {team: red}\nhostname: rosewood.example\n"
        "health: {test: [/bin/busybox, true], interval: 5s, retries: 2}\n"
    ))
    host.wait_running(server)
    facts = host.container("full")
    config, limits = facts["Config"], facts["HostConfig"]
    assert {"GREET=you", "UMASK=022"} <= set(config["Env"])
    assert (config["Hostname"], config["Labels"]["team"]) == ("rosewood.example", "red")
    assert config["Labels"]["zedops.server.id"] == server
    assert config["Healthcheck"]["Test"] == ["CMD", "/bin/busybox", "true"]
    assert (limits["Memory"], limits["NanoCpus"], limits["PidsLimit"]) == (64 << 20, 5 * 10**8, 99)
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"
    assert limits["Init"] is True
    assert limits["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert limits["SecurityOpt"] == ["no-new-privileges"]
    assert limits["Binds"] is None
    assert [each["Type"] for each in facts["Mounts"]] == ["bind"]
    published = {key: each for key, each in facts["NetworkSettings"]["Ports"].items() if each}
    assert list(published) == ["8080/tcp"]
    host.until((host.world(server) / ".zedops.json").exists)  # once it holds anything


def test_a_container_stopped_by_hand_is_seen_and_started_again(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    seen = len(host.reports)
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    host.wait(server, lambda each: each.container and not each.container.running, seen)
    host.wait_running(server, seen)


def test_a_container_stopped_by_hand_is_left_so_where_drift_is_only_reported(host: Host) -> None:
    server = host.want("rosewood", WORLD, drift=Drift.REPORT)
    host.wait_running(server)
    seen = len(host.reports)
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    report = host.wait(server, lambda each: each.note, seen)
    assert report.note == "stopped outside zedops; left so by `drift: report`"
    assert host.container("rosewood")["State"]["Running"] is False


def test_a_lost_container_is_recovered_and_its_world_is_the_same(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.wait(server, lambda each: each.data_exists)
    host.stop()  # so that the look after it finds the container gone, not half removed
    host.api.remove_container(f"{host.fleet}-rosewood", force=True)
    seen = len(host.reports)
    host.start()
    report = host.wait(server, lambda each: each.container is None, seen)
    assert report.data_exists
    report = host.wait_running(server, seen)
    assert report.note is not None
    assert report.note.startswith("recovered: ")
    host.wait_started(server, 2)


def test_a_lost_world_is_never_started_again(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.wait(server, lambda each: each.data_exists)
    seen = len(host.reports)
    shutil.rmtree(host.world(server))
    host.api.remove_container(f"{host.fleet}-rosewood", force=True)
    report = host.wait(server, lambda each: each.data_lost, seen)
    assert report.note is not None
    assert "zedops purge rosewood --data" in report.note
    host.stop()
    seen = len(host.reports)
    host.start()
    report = host.wait(server, lambda each: each.data_lost, seen)
    assert host.containers() == [] or not host.container("rosewood")["State"]["Running"]


def test_an_emptied_world_is_not_started_even_if_only_git_remembers_it(host: Host) -> None:
    server = host.want("rosewood", WORLD, created=True, data_expected=True)
    report = host.wait(server, lambda each: each.data_lost)
    assert report.container is None
    assert host.containers() == []


def test_another_servers_data_is_never_used(host: Host) -> None:
    server = host.want("rosewood", WORLD, goal=Goal.STOPPED)
    host.wait(server, lambda each: each.container is not None)
    host.api.remove_container(f"{host.fleet}-rosewood")
    (host.world(server) / ".zedops.json").write_text('{"id": "somebody", "name": "else"}')
    seen = len(host.reports)
    host.want("rosewood", WORLD)
    report = host.wait(server, lambda each: each.data_lost, seen)
    assert "holds another server's data" in str(report.note)


def test_an_image_that_cannot_be_had_fails_with_the_reason_and_is_tried_again(host: Host) -> None:
    server = host.want("rosewood", "image: 127.0.0.1:9/nothing/here:1\n")
    report = host.wait(server, lambda each: each.failure)
    assert "127.0.0.1:9" in str(report.failure)
    assert report.container is None
    seen = len(host.reports)
    host.want("rosewood", WORLD)
    assert host.wait_running(server, seen).failure is None


def test_a_failed_update_brings_the_previous_container_back(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    before = host.wait_running(server)
    seen = len(host.reports)
    host.want("rosewood", f"{WORLD}networks: [not-there]\n")
    report = host.wait(
        server,
        lambda each: each.failure and each.container and each.container.running
        and each.activity is None,
        seen,
    )
    assert "network not-there not found" in str(report.failure)
    assert before.container is not None
    assert report.container is not None
    assert report.container.id == before.container.id
    assert host.container("rosewood")["State"]["Running"] is True
    assert host.containers() == [f"{host.fleet}-rosewood"]


def test_a_server_that_keeps_crashing_is_given_up_with_its_last_words(host: Host) -> None:
    server = host.want("rosewood", CRASHES)
    report = host.wait(server, lambda each: each.failure)
    assert "crashed 3 times within 10 min, last exit code 7" in str(report.failure)
    assert "cannot load the world" in str(report.failure)
    assert str(report.failure).endswith("; next try within 1 min")
    host.until(lambda: host.container("rosewood")["State"]["Status"] == "exited")
    seen = len(host.reports)
    host.want("rosewood", WORLD)
    host.wait_running(server, seen)


def test_a_server_that_kept_crashing_is_started_again_until_it_can_run(host: Host) -> None:
    waits = "if [ -e /data/ready ]; then exec /bin/busybox sleep 99; fi; exit 3"
    text = f"{WORLD}command: [/bin/busybox, sh, -c, '{waits}']\n"
    server = host.want("rosewood", text)
    host.wait(server, lambda each: each.failure)
    (host.world(server) / "ready").touch()
    host.wait_running(server, len(host.reports))


def test_what_failed_is_not_tried_again_by_an_agent_that_was_restarted(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.want("rosewood", WORLD + CRASHES)
    host.wait(server, lambda each: each.failure and each.container and each.container.running)
    before = host.container("rosewood")["State"]["StartedAt"]
    host.stop()
    host.want("rosewood", WORLD + CRASHES, commit="another")
    seen = len(host.reports)
    host.start()
    report = host.wait(server, lambda each: each.about == "another", seen)
    assert "the previous container runs on" in str(report.failure)
    assert report.activity is None
    assert host.container("rosewood")["State"]["StartedAt"] == before


def test_an_update_that_crashes_at_once_brings_the_previous_container_back(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    before = host.wait_running(server)
    seen = len(host.reports)
    host.want("rosewood", WORLD + CRASHES)
    report = host.wait(
        server, lambda each: each.failure and each.container and each.container.running, seen
    )
    assert before.container is not None
    assert report.container is not None
    assert report.container.id == before.container.id


def test_a_stop_takes_the_one_path_and_says_how_it_went(host: Host) -> None:
    text = "stop: {grace: 5s, commands: [[/bin/busybox, touch, /data/saved]]}\n"
    server = host.want("rosewood", f"volumes: {{world: /data}}\n{text}")
    host.wait_started(server, 1)
    seen = len(host.reports)
    host.want("rosewood", f"volumes: {{world: /data}}\n{text}", goal=Goal.STOPPED)
    report = host.wait(server, lambda each: each.note, seen)
    assert "exit code 0" in str(report.note)
    assert (host.world(server) / "saved").exists()


def test_a_stop_that_needs_the_kill_says_that_progress_may_be_lost(host: Host) -> None:
    script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    text = f'command: [/bin/busybox, sh, -c, "{script}"]\nstop: {{grace: 200ms}}\n'
    server = host.want("rosewood", text)
    host.wait_running(server)
    # a signal that comes before its first line was read would end it
    host.until(lambda: b"deaf" in host.api.logs(f"{host.fleet}-rosewood"))
    seen = len(host.reports)
    host.want("rosewood", text, goal=Goal.STOPPED)
    report = host.wait(server, lambda each: each.note, seen)
    assert "it may have lost progress" in str(report.note)


def test_a_restart_is_done_exactly_once(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    first = host.container("rosewood")
    seen = len(host.reports)
    host.want("rosewood", f"{WORLD}restart: monday\n", commit="c-restart")
    host.wait(server, lambda each: each.about == "c-restart" and each.activity is None
              and each.container and each.container.running, seen)
    asked = [each.applied for each in host.reports[seen:] if each.about == "c-restart"]
    assert (asked[0], asked[-1]) == (False, True)  # who waits for it is not told before it is done
    host.stop()
    seen = len(host.reports)
    host.start()
    host.wait_running(server, seen)
    second = host.container("rosewood")
    assert second["Id"] == first["Id"]
    assert second["State"]["StartedAt"] != first["State"]["StartedAt"]
    host.wait_started(server, 2)


def test_what_cannot_be_made_costs_the_one_that_runs_nothing(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    before, seen = host.container("rosewood"), len(host.reports)
    host.want("rosewood", f"{WORLD}networks: [bridge, nowhere]\n")
    report = host.wait(server, lambda each: each.failure, seen)
    assert "nowhere not found" in str(report.failure)
    after = host.container("rosewood")
    assert (after["Id"], after["State"]) == (before["Id"], before["State"])
    host.until(lambda: host.containers() == [f"{host.fleet}-rosewood"])  # nothing half made stays


def test_a_rename_keeps_container_and_data(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    before = host.wait_running(server)
    seen = len(host.reports)
    host.want("riverside", WORLD, server_id=server)
    host.wait(server, lambda each: each.about == "c3" and each.activity is None, seen)
    facts = host.container("riverside")
    assert before.container is not None
    assert facts["Id"] == before.container.id
    assert host.containers() == [f"{host.fleet}-riverside"]


def test_a_deletion_removes_the_container_and_leaves_the_data(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_started(server, 1)
    seen = len(host.reports)
    host.want("rosewood", WORLD, goal=Goal.DELETED)
    report = host.wait(server, lambda each: each.container is None and not each.activity, seen)
    assert report.data_exists
    assert host.containers() == []
    assert (host.world(server) / "world.txt").exists()


def test_a_secret_comes_from_the_host_and_its_lack_is_said(host: Host) -> None:
    server = host.want("rosewood", "secrets: [ADMIN_PASSWORD]\n")
    report = host.wait(server, lambda each: each.failure)
    assert "secret ADMIN_PASSWORD is not set; write it to" in str(report.failure)
    path = host.root / "secrets" / host.fleet / "rosewood" / "ADMIN_PASSWORD"
    assert str(path) in str(report.failure)
    path.parent.mkdir(parents=True)
    path.write_text("correct horse\n")
    seen = len(host.reports)
    host.want("rosewood", "secrets: [ADMIN_PASSWORD]\n")
    host.wait_running(server, seen)
    assert "ADMIN_PASSWORD=correct horse" in host.container("rosewood")["Config"]["Env"]


def test_limits_changed_by_hand_are_set_back_without_a_restart(host: Host) -> None:
    server = host.want("rosewood", f"{WORLD}limits: {{memory: 64MiB, cpus: 0.5}}\n")
    host.wait_running(server)
    before = host.container("rosewood")
    no_restart: Any = {"Name": "no", "MaximumRetryCount": 0}
    host.api.update_container(
        before["Id"], mem_limit=128 << 20, memswap_limit=256 << 20, restart_policy=no_restart
    )

    def is_back() -> bool:
        limits = host.container("rosewood")["HostConfig"]
        return (limits["Memory"], limits["RestartPolicy"]["Name"]) == (64 << 20, "unless-stopped")

    host.until(is_back)
    assert host.container("rosewood")["State"]["StartedAt"] == before["State"]["StartedAt"]


def test_a_pause_and_a_rename_by_hand_are_undone(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.api.pause(f"{host.fleet}-rosewood")
    host.until(lambda: host.container("rosewood")["State"]["Status"] == "running")
    host.api.rename(f"{host.fleet}-rosewood", f"{host.fleet}-mine")
    host.until(lambda: host.containers() == [f"{host.fleet}-rosewood"])


def test_a_data_directory_deleted_under_a_running_server_is_seen(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.wait(server, lambda each: each.data_exists)
    seen = len(host.reports)
    shutil.rmtree(host.world(server))
    report = host.wait(server, lambda each: each.data_lost, seen)
    assert report.data_exists is False
    assert report.container is not None


def test_a_purge_removes_the_data_and_nothing_before_the_container(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    seen = len(host.reports)
    host.want("rosewood", WORLD, goal=Goal.PURGED)
    host.wait(server, lambda each: each.container is None and each.activity is None
              and each.data_exists is False, seen)
    assert not host.world(server).parent.exists()
    assert host.containers() == []


def test_a_purge_never_touches_what_is_marked_as_somebody_elses(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.wait(server, lambda each: each.data_exists)
    (host.world(server) / ".zedops.json").write_text('{"id": "somebody", "name": "else"}')
    seen = len(host.reports)
    host.want("rosewood", WORLD, goal=Goal.PURGED)
    report = host.wait(server, lambda each: each.failure, seen)
    assert "is not marked as this server's; look at it and remove it by hand" in str(report.failure)
    assert (host.world(server) / "world.txt").exists()


def test_a_port_that_was_taken_for_a_moment_is_tried_again_without_a_new_commit(
    host: Host,
) -> None:
    port = free_port()
    server = host.want("rosewood", f"ports: {{web: '{port}:8080'}}\n")
    host.wait_running(server)
    host.stop()
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    with socket.create_server(("", port)):
        seen = len(host.reports)
        host.start()
        report = host.wait(server, lambda each: each.failure, seen)
        assert "address already in use" in str(report.failure)
    host.wait_running(server, seen)


def test_a_network_that_was_left_or_made_again_is_joined(host: Host) -> None:
    name = f"{host.fleet}-games"
    host.api.create_network(name)
    try:
        server = host.want("rosewood", f"{WORLD}networks: [{name}]\n")
        host.wait_running(server)
        before = host.container("rosewood")["State"]["StartedAt"]
        seen = len(host.reports)
        host.api.disconnect_container_from_network(f"{host.fleet}-rosewood", name)
        host.api.pause(f"{host.fleet}-rosewood")  # no event of a container tells of a network
        host.wait(server, lambda each: "taken out of the network" in str(each.note), seen)
        host.until(lambda: name in host.container("rosewood")["NetworkSettings"]["Networks"])
        assert host.container("rosewood")["State"]["StartedAt"] == before
        seen = len(host.reports)
        host.want("rosewood", f"{WORLD}networks: [{name}]\n", goal=Goal.STOPPED)
        host.wait(server, lambda each: each.goal is Goal.STOPPED and each.applied, seen)
        host.api.remove_network(name)
        host.api.create_network(name)
        seen = len(host.reports)
        host.want("rosewood", f"{WORLD}networks: [{name}]\n")
        host.wait_running(server, seen)
    finally:
        host.tear_down()
        host.api.remove_network(name)


def test_what_is_undone_is_told(host: Host) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    container = host.container("rosewood")["Id"]
    seen = len(host.reports)
    host.api.pause(container)
    host.wait(server, lambda each: "paused outside zedops and goes on" in str(each.note), seen)
    host.api.rename(container, f"another-{host.fleet}")
    host.wait(server, lambda each: "has its name again" in str(each.note), seen)
    host.api.update_container(container, mem_limit="64m", memswap_limit="64m")
    host.wait(server, lambda each: "limits were changed" in str(each.note), seen)
    host.until(lambda: host.container("rosewood")["HostConfig"]["Memory"] > 1 << 50)
    assert host.container("rosewood")["Id"] == container


def test_a_server_whose_health_check_fails_says_so_until_it_does_not(host: Host) -> None:
    check = "health: {test: [/bin/busybox, test, -e, /data/well], interval: 1s, retries: 1}\n"
    server = host.want("rosewood", WORLD + check)
    report = host.wait(server, lambda each: str(each.note).startswith("unhealthy: "))
    assert report.container is not None
    assert report.container.running
    seen = len(host.reports)
    (host.world(server) / "well").touch()
    host.wait(server, lambda each: each.note is None and each.activity is None, seen)
