"""A disk that answers with errors is not an empty one: nothing is made, started or called lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import broken_disk
from tests.broken_disk import BrokenDisk
from tests.conftest import without
from tests.docker.host import Host
from zedops.protocol.findings import Finding, Verdict
from zedops.protocol.requests import CheckupReply, CheckupRequest
from zedops.protocol.sync import ServerReport

pytestmark = pytest.mark.docker

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"
REMEDIES = {
    errno.EIO: "see to its disk or network share",
    errno.ESTALE: "see to its disk or network share",
    errno.EACCES: "let the user that runs zedops read it",
}


@pytest.fixture(autouse=True)
def _able() -> None:
    if (reason := broken_disk.missing()) is not None:
        without(reason)


@contextmanager
def broken(place: Path, error: int | None) -> Iterator[None]:
    disk = BrokenDisk(place, error)
    try:
        yield
    finally:
        disk.mend()


def settled(host: Host) -> str:
    """Have a server run with a world that is marked."""
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    host.until((host.world(server) / ".zedops.json").exists)
    return server


def rest(host: Host) -> None:
    """Wait until no look is under way: one that has begun hangs with its share, and tells later."""
    assert host.agent is not None
    looks = 0

    def rested() -> bool:
        nonlocal looks
        assert host.agent is not None
        looks = 0 if host.agent.standing().at_work else looks + 1
        return looks > 25  # half a second: an event may come late

    host.until(rested)


def killed(host: Host, server: str) -> ServerReport:
    """Kill the server; returns the report that says why it is not started again."""
    seen = len(host.reports)
    host.api.kill(f"{host.fleet}-rosewood")
    return host.wait(server, lambda each: each.failure, seen)


def doctor(host: Host) -> list[Finding]:
    assert host.agent is not None
    reply = host.agent.call(CheckupRequest())
    assert isinstance(reply, CheckupReply)
    return [each for each in reply.findings if each.verdict is Verdict.WRONG]


@pytest.mark.parametrize("error", sorted(REMEDIES))
def test_a_world_on_a_broken_disk_is_neither_lost_nor_started(host: Host, error: int) -> None:
    server = settled(host)
    before, world = host.container("rosewood")["Id"], host.world(server)
    said = f"cannot look at {world}: {os.strerror(error)}"
    with broken(world, error):
        report = killed(host, server)
        assert f"{said}; {REMEDIES[error]}" in str(report.failure)
        assert (report.data_lost, report.data_exists) == (False, None)
        assert [each.fact for each in doctor(host)] == [f"volume 'world': {said}"]
        assert host.container("rosewood")["Id"] == before
    host.want("rosewood", WORLD, commit="back")
    host.until(lambda: host.starts(server) == 2)
    assert host.container("rosewood")["Id"] == before


def test_a_data_root_on_a_broken_disk_is_neither_lost_nor_made_again(host: Host) -> None:
    server = settled(host)
    before, servers = host.container("rosewood")["Id"], host.root / "servers"
    said = f"cannot look at {servers}: Input/output error"
    with broken(servers, errno.EIO):
        report = killed(host, server)
        assert said in str(report.failure)
        assert (report.data_lost, report.data_exists) == (False, None)
        assert any("Input/output error" in each.fact for each in doctor(host))
        assert host.container("rosewood")["Id"] == before
    host.want("rosewood", WORLD, commit="back")
    host.until(lambda: host.starts(server) == 2)


def test_an_agent_whose_own_files_are_on_a_broken_disk_says_so_and_goes_on_later(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    server = settled(host)
    with broken(host.root / "agent" / host.fleet, errno.EIO):
        report = killed(host, server)
        assert "/memory/" in str(report.failure)
        assert "Input/output error; see to its disk" in str(report.failure)
        assert (report.data_lost, report.data_exists) == (False, None)
        assert host.agent is not None
        assert not host.agent.lost
    host.want("rosewood", WORLD, commit="back")
    host.until(lambda: host.starts(server) == 2)
    assert "Traceback" not in caplog.text


def test_a_share_that_hangs_is_said_and_holds_up_nothing_but_its_own_server(
    host: Host, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    host.policy.write_text(f"bind_roots: [{tmp_path}]\n")
    text = f"volumes: {{world: {{path: /data, source: {share}}}}}\nstop: {{grace: 5s}}\n"
    server = host.want("rosewood", text)
    host.wait_running(server)
    host.until(lambda: "started" in (share / "world.txt").read_text())
    rest(host)
    before = host.container("rosewood")["Id"]
    said = f"cannot look at {share}: it does not answer; see to its disk or network share"
    with broken(share, None):
        assert said in str(killed(host, server).failure)
        (fact,) = (each.fact for each in doctor(host))
        assert fact == f"volume 'world': cannot look at {share}: it does not answer"
        host.wait_running(host.want("muldraugh", WORLD))
        assert host.container("rosewood")["Id"] == before
    host.want("rosewood", text, commit="back")
    host.until(lambda: (share / "world.txt").read_text().count("started") == 2)
    assert host.container("rosewood")["Id"] == before
