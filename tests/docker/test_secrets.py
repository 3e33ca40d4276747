"""Secrets on a real Engine: as variables or files, changed once, opened on their host only."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.docker.host import Host
from zedops.protocol.sync import Goal
from zedops.system import age
from zedops_agent.secrets import Secrets

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"
LISTED = f"{WORLD}secrets: [ADMIN]\n"


def recipient(host: Host) -> str:
    return (host.root / "agent" / host.fleet / "recipient").read_text().strip()


def sealed(host: Host, value: str, server: str = "rosewood", name: str = "ADMIN") -> str:
    return age.seal(value, f"{host.fleet}/{server}/{name}", recipient(host))


def keep(host: Host, value: str, name: str = "ADMIN") -> None:
    Secrets(host.root, host.fleet).set("rosewood", name, value)


def given(host: Host, name: str = "ADMIN") -> str | None:
    env = dict(each.split("=", 1) for each in host.container("rosewood")["Config"]["Env"] or [])
    return env.get(name)


def inside(host: Host, *command: str) -> str:
    made: Any = host.api.exec_create(f"{host.fleet}-rosewood", ["/bin/busybox", *command])
    out: bytes = host.api.exec_start(made["Id"])
    return out.decode()


def files_of(host: Host) -> Path:
    mounts = {each["Destination"]: each for each in host.container("rosewood")["Mounts"]}
    assert not mounts["/run/secrets"]["RW"]
    return Path(mounts["/run/secrets"]["Source"])


def ended(host: Host, text: str) -> None:
    """Delete the server and wait until its container is gone."""
    seen = len(host.reports)
    server = host.want("rosewood", text, goal=Goal.DELETED)
    host.wait(server, lambda each: each.container is None and not each.activity, seen)


def test_the_hosts_key_is_made_once_for_this_user_only(host: Host) -> None:
    key = host.root / "agent" / host.fleet / "age.key"
    before = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert age.recipient_of(before.strip()) == recipient(host)
    host.stop()
    host.start()
    assert key.read_text() == before


def test_a_sealed_secret_is_opened_on_its_host_and_kept_only_sealed(host: Host) -> None:
    text = sealed(host, "correct horse")
    server = host.want("rosewood", f"{WORLD}secrets: {{ADMIN: '{text}'}}\n")
    host.wait_running(server)
    assert given(host) == "correct horse"
    host.stop()  # what is being written may have another name a moment later
    kept = [each.read_bytes() for each in host.root.rglob("*") if each.is_file()]
    assert any(text.encode() in each for each in kept)
    assert not [each for each in kept if b"correct horse" in each]


@pytest.mark.parametrize("wrong", ["key", "server", "name"])
def test_a_sealed_secret_of_something_else_is_not_opened(host: Host, wrong: str) -> None:
    text = {
        "key": age.seal("x", f"{host.fleet}/rosewood/ADMIN",
                            age.recipient_of(age.new_identity())),
        "server": sealed(host, "x", server="other"),
        "name": sealed(host, "x", name="OTHER"),
    }[wrong]  # fmt: skip
    server = host.want("rosewood", f"{WORLD}secrets: {{ADMIN: '{text}'}}\n")
    report = host.wait(server, lambda each: each.failure)
    assert "secret ADMIN cannot be opened: it was encrypted for" in str(report.failure)
    assert host.containers() == []


def test_a_changed_secret_recreates_the_container_exactly_once(host: Host) -> None:
    keep(host, "one")
    server = host.want("rosewood", LISTED)
    host.wait_running(server)
    first = host.container("rosewood")["Id"]
    host.want("rosewood", LISTED)  # looked at again, with nothing changed
    host.wait(server, lambda each: each.about == "c3" and each.applied)
    assert host.container("rosewood")["Id"] == first

    keep(host, "two")
    host.want("rosewood", LISTED)
    host.until(lambda: given(host) == "two")
    host.until(lambda: len(host.containers()) == 1)  # it has proven itself
    second = host.container("rosewood")["Id"]
    assert (host.world(server) / "world.txt").read_text().count("started") == 2
    host.stop()
    host.start()
    seen = len(host.reports)
    host.want("rosewood", LISTED)
    host.wait_running(server, seen)
    assert host.container("rosewood")["Id"] == second
    label = host.container("rosewood")["Config"]["Labels"]["zedops.secrets"]
    assert "two" not in label


def test_a_change_is_seen_without_anybody_saying_so(host: Host) -> None:
    keep(host, "one")
    server = host.want("rosewood", LISTED)
    host.wait_running(server)
    keep(host, "two")
    host.until(lambda: given(host) == "two")


def test_a_value_that_cannot_be_read_takes_nothing_down(host: Host) -> None:
    keep(host, "one")
    server = host.want("rosewood", LISTED)
    host.wait_running(server)
    first = host.container("rosewood")["Id"]
    assert Secrets(host.root, host.fleet).remove(server, "ADMIN")
    host.want("rosewood", f"{LISTED}env: {{GREET: ada}}\n")
    report = host.wait(server, lambda each: each.failure)
    assert "secret ADMIN is not set" in str(report.failure)
    facts = host.container("rosewood")
    assert (facts["Id"], facts["State"]["Running"]) == (first, True)
    host.wait_started(server, 1)


@pytest.mark.parametrize("user", ["", "user: '1234'\n"])
def test_secrets_are_files_in_memory_for_the_containers_user_alone(host: Host, user: str) -> None:
    keep(host, "on the host\n")
    token = sealed(host, "in the fleet", name="TOKEN")
    text = f"{WORLD}{user}secrets_as: files\nsecrets:\n  ADMIN:\n  TOKEN: '{token}'\n"
    server = host.want("rosewood", text)
    host.wait_running(server)
    assert given(host) is None
    where = files_of(host)
    shown = inside(host, "ls", "-ln", "/run/secrets").splitlines()
    assert [line.split()[0] for line in shown if "TOKEN" in line or "ADMIN" in line] == [
        "-r--------"
    ] * 2
    assert {line.split()[2] for line in shown[1:]} == {user[7:11] or "0"}
    assert inside(host, "cat", "/run/secrets/ADMIN") == "on the host\n"
    assert inside(host, "cat", "/run/secrets/TOKEN") == "in the fleet"
    kind = [line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()
            if where.is_relative_to(line.split()[1])]
    assert kind[-1] == "tmpfs"
    assert stat.S_IMODE(where.parents[2].stat().st_mode) == 0o700

    host.stop()  # what went with a reboot comes back with the next start
    host.api.kill(host.container("rosewood")["Id"])
    for each in where.iterdir():
        each.unlink()
    seen = len(host.reports)
    host.start()
    host.wait_running(server, seen)
    assert inside(host, "cat", "/run/secrets/TOKEN") == "in the fleet"
    ended(host, text)
    assert not where.exists()


def test_files_change_and_go_with_their_container(host: Host) -> None:
    keep(host, "one")
    text = f"{LISTED}secrets_as: files\n"
    server = host.want("rosewood", text)
    host.wait_running(server)
    first = files_of(host)
    keep(host, "two")
    host.want("rosewood", text)
    host.until(lambda: files_of(host) != first)
    second = files_of(host)
    admin = second / "ADMIN"  # the container is made first, and given its files when it starts
    host.until(lambda: admin.exists() and admin.read_text() == "two")
    host.until(lambda: not first.exists())  # once the previous container went
    assert [each.name for each in second.iterdir()] == ["ADMIN"]
    ended(host, text)
    assert not second.exists()


def test_files_of_a_container_that_was_removed_by_hand_go_with_its_server(host: Host) -> None:
    keep(host, "one")
    text = f"{LISTED}secrets_as: files\n"
    host.wait_running(host.want("rosewood", text))
    where = files_of(host)
    host.stop()
    host.api.remove_container(f"{host.fleet}-rosewood", force=True)
    assert where.exists()
    host.start()
    host.want("rosewood", text, goal=Goal.DELETED)
    host.until(lambda: not where.exists())
    host.until(lambda: host.containers() == [])
