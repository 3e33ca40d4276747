"""The server as a process: it comes back, it never outlives zedops, it says why it cannot start."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.machine import free_port
from tests.nats.clients import as_host, as_manager, new_host, run
from zedops.bus.nats import executable
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.errors import ServerFailed

pytestmark = pytest.mark.nats
ROOT = Path(__file__).parents[2]

_PARENT = """
import signal, sys
from pathlib import Path
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
port = int(sys.argv[2])
server = NatsServer(Authority.open(Path(sys.argv[1])), [], "127.0.0.1", port)
server.start()
print(server.pid, flush=True)
signal.pause()
"""


@contextmanager
def parent(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Run a server in a process of its own, which can be killed."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(folder), str(port)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as started:
        assert started.stdout is not None
        try:
            yield started, psutil.Process(int(started.stdout.readline()))
        finally:
            started.kill()


def test_a_server_dies_with_its_killed_parent_and_the_next_takes_over(
    authority: Authority,
) -> None:
    port = free_port()
    with parent(authority.folder, port) as (process, child):
        assert "nats-server" in child.name()
        process.kill()
        # at once, as a service manager would: the old server may still be dying
        successor = NatsServer(authority, [], "127.0.0.1", port)
        successor.start()
        child.wait(timeout=20)
    try:
        assert successor.pid not in (None, child.pid)
    finally:
        successor.stop_server()


def test_ctrl_c_in_a_terminal_reaches_zedops_and_not_the_server(server: NatsServer) -> None:
    assert server.pid is not None
    assert os.getpgid(server.pid) != os.getpgid(0)


def test_two_servers_never_share_a_directory(server: NatsServer, authority: Authority) -> None:
    second = NatsServer(authority, [], "127.0.0.1", free_port())
    with pytest.raises(ServerFailed, match=r"another nats-server works in .*; stop the other"):
        second.start()
    assert server.pid is not None


def test_a_server_that_was_killed_comes_back_and_says_so(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    back, port = threading.Event(), free_port()
    server = NatsServer(authority, [], "127.0.0.1", port, on_restart=back.set)
    server.start()
    first = server.pid
    attic = new_host(authority, "attic")

    async def job() -> None:
        async with as_manager(server, authority) as manager:
            lease = await manager.nc.jetstream().create_key_value(bucket="lease")
            await lease.put("holder", b"me")
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await manager.wait_for(lambda: manager.nc.is_closed)
        assert await asyncio.to_thread(back.wait, 10)
        async with as_manager(server, authority) as manager, \
                as_host(server, authority, "attic", attic):
            kept = await manager.nc.jetstream().key_value("lease")
            assert (await kept.get("holder")).value == b"me"

    try:
        assert not back.is_set()
        with caplog.at_level(logging.ERROR, "zedops.bus.nats.server"):
            run(job())
        assert server.pid not in (None, first)
        assert "ended by signal 9; starting it again in 0.1 s" in caplog.text
    finally:
        server.stop_server()
    assert server.pid is None


def test_what_follows_a_restart_may_fail_and_the_server_lives(authority: Authority) -> None:
    fell = threading.Event()

    def fall() -> None:
        fell.set()
        raise RuntimeError("on purpose")

    server = NatsServer(authority, [], "127.0.0.1", free_port(), on_restart=fall)
    server.start()
    try:
        for _ in range(2):
            fell.clear()
            child = psutil.Process(server.pid)
            child.kill()
            assert fell.wait(10)
        run(_manager_gets_in(server, authority))
    finally:
        server.stop_server()


async def _manager_gets_in(server: NatsServer, authority: Authority) -> None:
    async with as_manager(server, authority) as manager:
        await manager.hear("zed.u.>")
        assert manager.errors == []


def test_a_taken_port_is_named(authority: Authority) -> None:
    with socket.socket() as taken:
        port = free_port()  # not any: nobody else must get it before the second attempt
        taken.bind(("127.0.0.1", port))
        taken.listen()
        server = NatsServer(authority, [], "127.0.0.1", port)
        with pytest.raises(ServerFailed, match=rf"port {port} of 127\.0\.0\.1 is taken"):
            server.start()
    assert server.pid is None
    again = NatsServer(authority, [], "127.0.0.1", port)
    again.start()  # nothing is left of the first attempt that would stand in the way
    again.stop_server()


def test_an_address_that_is_not_this_machines_is_told_in_the_servers_words(
    authority: Authority,
) -> None:
    server = NatsServer(authority, [], "192.0.2.1", free_port())
    with pytest.raises(ServerFailed, match="cannot assign requested address"):
        server.start()


def test_a_server_runs_on_ipv6(authority: Authority) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = NatsServer(authority, ["tls://[2001:db8::1]:4222"], "::1", free_port())
    server.start()
    try:
        run(_manager_gets_in(server, authority))
    finally:
        server.stop_server()


def test_a_server_runs_in_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    authority = Authority.open(Path('Ada\'s "hub" $HOME \\ ü; # {x}'))
    server = NatsServer(authority, ["tls://fleet.example:4222"], "127.0.0.1", free_port())
    server.start()
    try:
        monkeypatch.chdir("/")
        new_host(authority, "attic")
        authority.revoke("attic", datetime.now(UTC))
        server.reload()
        run(_manager_gets_in(server, authority))
    finally:
        server.stop_server()


def test_a_change_that_the_server_does_not_take_is_told(
    server: NatsServer, authority: Authority
) -> None:
    running = server.pid
    server.reload()  # nothing changed: nothing to say
    server._port += 1  # a listening port cannot change while it runs
    with pytest.raises(ServerFailed, match=r"did not take the change: Failed to reload .*; rest"):
        server.reload()
    assert server.pid == running
    server._port -= 1
    server.reload()


def test_stop_ends_the_server_and_may_be_said_twice(authority: Authority) -> None:
    server = NatsServer(authority, [], "127.0.0.1", free_port())
    server.stop_server()
    server = NatsServer(authority, [], "127.0.0.1", free_port())
    server.start()
    child = psutil.Process(server.pid)
    server.stop_server()
    server.stop_server()
    assert not child.is_running()
    assert not [each for each in threading.enumerate() if each.name.startswith("nats-")]
    server.reload()  # writes files for the next one, and finds nobody to tell


def test_every_file_is_its_owners_alone(server: NatsServer, authority: Authority) -> None:
    new_host(authority, "attic")
    run(_manager_gets_in(server, authority))
    found = [authority.folder, *authority.folder.rglob("*")]
    assert {"keys.json", "roll.json", "server.conf"} <= {each.name for each in found}
    for each in found:
        allowed = 0o700 if each.is_dir() else 0o600
        assert stat.S_IMODE(each.stat().st_mode) & ~allowed == 0, each


def test_the_server_comes_from_its_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(executable.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    found = executable.find()
    assert found.name == "nats-server"
    monkeypatch.setenv(executable.VARIABLE, str(found))
    assert executable.find() == found


def test_a_program_that_is_no_nats_server_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(executable.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ServerFailed, match=r"nowhere cannot be run; correct it, or unset it"):
        executable.find()
    monkeypatch.setenv(executable.VARIABLE, sys.executable)
    with pytest.raises(ServerFailed, match=r"no nats-server of 2\.11 or newer; install it: pip"):
        executable.find()
