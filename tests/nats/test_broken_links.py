"""What the bus over NATS does when the server, a peer or a message is not as it should be."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import threading
import time
from datetime import UTC, datetime

import pytest

from tests.frozen import freeze
from tests.nats.clients import as_host, as_manager, new_host, run
from tests.nats.links import address, manager_bus, new_link
from tests.nats.sides import AgentEnd, Chunks, ManagerEnd, wait_for
from tests.nats.test_bus_contract import document, reports
from tests.pure.fleets import server_id
from zedops.bus.nats import messages, streams, subjects
from zedops.bus.nats.agent import NatsLink
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.errors import HostUnavailable, VersionMismatch, ZedopsError
from zedops.protocol.requests import LogsRequest, PingRequest
from zedops.protocol.sync import Heartbeat, Hello, Progress, Report

pytestmark = pytest.mark.nats


def test_a_server_that_was_killed_is_back_for_everybody(
    server: NatsServer, authority: Authority
) -> None:
    agent, manager = AgentEnd(), ManagerEnd(document())
    with (
        new_link(server, authority, "attic", agent) as link, manager_bus(server, authority) as bus
    ):
        bus.serve(manager)
        wait_for(lambda: agent.greeted >= 2)  # by its own connection, and by the manager
        pid, greeted = server.pid, agent.greeted
        assert pid is not None
        # by their clients: that neither is up may be over before anybody looks
        before = {each: each._client for each in (link._connection, bus.connection)}
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: all(
            each._client not in (None, client) and each.wait_up(0)
            for each, client in before.items()
        ))
        wait_for(lambda: agent.greeted > greeted)
        assert bus.call("attic", PingRequest())
        link.report(Report(host="attic", servers=tuple(reports(2))))
        assert manager.reports == reports(2)


def test_a_break_is_told_by_zedops_alone(
    server: NatsServer, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent):
        wait_for(lambda: agent.greeted)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: agent.greeted > 1)
    assert "unexpected EOF" in caplog.text
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_server_that_hangs_leaves_nothing_behind(
    server: NatsServer, authority: Authority, caplog: pytest.LogCaptureFixture, goes_on: bool
) -> None:
    agent = AgentEnd()
    pid = server.pid
    assert pid is not None
    with new_link(server, authority, "attic", agent) as link:
        wait_for(lambda: agent.greeted)
        freeze(pid)
        try:
            fill(link)
            if goes_on:
                wait_for(lambda: not link.wait_up(0))
        finally:
            os.kill(pid, signal.SIGKILL)
        if goes_on:
            wait_for(lambda: link.wait_up(0))
            gc.collect()  # it would be told of a task that was forgotten while it waits
            assert [each for each in caplog.records if each.name == "asyncio"] == []
    gc.collect()
    assert [each for each in caplog.records if each.name == "asyncio"] == []


def test_a_manager_may_begin_while_its_server_hangs(
    server: NatsServer, authority: Authority
) -> None:
    manager, pid = ManagerEnd(document()), server.pid
    assert pid is not None
    with manager_bus(server, authority) as bus:
        wait_for(lambda: bus.connection.wait_up(0))
        freeze(pid)
        try:
            bus.serve(manager)
        finally:
            os.kill(pid, signal.SIGKILL)
        with new_link(server, authority, "attic", AgentEnd()) as link:
            wait_for(lambda: link.wait_up(0) and bus.connection.wait_up(0))
            assert link.sync(Hello(host="attic")) == document()


def fill(link: NatsLink) -> None:
    """Say more than a connection takes whose other end reads nothing."""
    with contextlib.suppress(HostUnavailable):
        for _ in range(100):
            text = os.urandom(250_000).hex()  # messages are packed
            link.progress(Progress(host="attic", id=server_id(1), text=text))


def test_what_could_not_be_sent_is_refused_at_once_and_never_sent_later(
    server: NatsServer, authority: Authority
) -> None:
    manager = ManagerEnd(document())
    sent = Report(host="attic", servers=tuple(reports(1)))
    with (
        new_link(server, authority, "attic", AgentEnd()) as link,
        manager_bus(server, authority) as bus,
    ):
        bus.serve(manager)
        pid = server.pid
        assert pid is not None
        freeze(pid)
        try:
            with pytest.raises(HostUnavailable):
                link.report(sent)
            begun = time.monotonic()
            with pytest.raises(HostUnavailable):
                link.report(sent)
            assert time.monotonic() - begun < 12, "it is known by now that nobody answers"
        finally:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: link.wait_up(0) and bus.connection.wait_up(0))
        answer = link.heartbeat(Heartbeat(host="attic", epoch=0, rev=0))
        assert answer.rev == 1
        assert manager.reports == []


def test_an_agent_may_begin_before_its_manager(server: NatsServer, authority: Authority) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent) as link:
        with pytest.raises(HostUnavailable):
            link.sync(Hello(host="attic"))
        with manager_bus(server, authority) as bus:
            greeted = agent.greeted
            bus.serve(ManagerEnd(document()))
            wait_for(lambda: agent.greeted > greeted)
            assert link.sync(Hello(host="attic")) == document()


def test_an_agent_may_begin_before_the_server(
    server: NatsServer, authority: Authority
) -> None:
    agent, inbox = AgentEnd(), subjects.inbox("attic")
    where = address(server, authority, new_host(authority, "attic"), inbox)
    server.stop_server()
    link = NatsLink("attic", agent, where)
    try:
        with pytest.raises(HostUnavailable, match="no connection to tls://"):
            link.sync(Hello(host="attic"))
        again = NatsServer(authority, [server.url], "127.0.0.1", int(server.url.split(":")[-1]))
        again.start()
        try:
            assert link.wait_up(15)
        finally:
            again.stop_server()
    finally:
        link.close()


def test_a_host_can_speak_for_itself_only(server: NatsServer, authority: Authority) -> None:
    manager = ManagerEnd(document())
    with manager_bus(server, authority) as bus:
        bus.serve(manager)

        async def lie() -> None:
            async with as_host(server, authority, "attic") as client:
                forged = messages.pack(Report(host="cellar", servers=tuple(reports(1))))
                subject = subjects.up("attic", subjects.REPORT)
                answer = await client.nc.request(subject, forged, 10, headers=messages.HEADERS)
                assert b"it speaks of host 'cellar'" in answer.data

        run(lie())
    assert manager.reports == []


def test_an_answer_goes_to_nobody_but_who_asked(server: NatsServer, authority: Authority) -> None:
    manager = ManagerEnd(document())
    with manager_bus(server, authority) as bus:
        bus.serve(manager)

        async def redirect() -> None:
            async with as_manager(server, authority) as watcher:
                await watcher.hear("zed.d.cellar.desired")
                async with as_host(server, authority, "attic") as client:
                    hello = messages.pack(Hello(host="attic"))
                    await client.nc.publish(
                        subjects.up("attic", subjects.SYNC), hello, reply="zed.d.cellar.desired",
                        headers=messages.HEADERS,
                    )
                    # the next one is answered, so the one before was dealt with
                    subject = subjects.up("attic", subjects.SYNC)
                    await client.nc.request(subject, hello, 10, headers=messages.HEADERS)
                assert watcher.heard == []

        run(redirect())
    assert len(manager.hellos) == 1


@pytest.mark.parametrize(("spoken", "remedy"), [
    ("2", "upgrade zedops of the manager"), ("0", "upgrade zedops of host 'attic'"),
])
def test_another_version_of_the_protocol_is_told_which_side_to_upgrade(
    server: NatsServer, authority: Authority, spoken: str, remedy: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with manager_bus(server, authority) as bus:
        bus.serve(ManagerEnd(document()))

        async def speak() -> None:
            async with as_host(server, authority, "attic") as client:
                subject = subjects.up("attic", subjects.SYNC)
                said = {messages.VERSION_HEADER: spoken}
                for _ in range(3):
                    answer = await client.nc.request(subject, b"{}", 10, headers=said)
                with pytest.raises(VersionMismatch, match=remedy):
                    messages.unpack(answer.data, answer.headers, dict, "the manager")

        with caplog.at_level(logging.WARNING):
            run(speak())
    told = [each for each in caplog.messages if f"speaks version {spoken}" in each]
    assert len(told) == 1, "once is enough"


def test_an_agent_says_that_its_manager_is_newer(server: NatsServer, authority: Authority) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent):

        async def speak() -> None:
            async with as_manager(server, authority) as client:
                subject, said = subjects.down("attic", subjects.CALL), {"Zed-Version": "2"}
                answer = await client.nc.request(subject, b"{}", 10, headers=said)
                with pytest.raises(VersionMismatch, match="upgrade zedops of the host"):
                    messages.unpack(answer.data, answer.headers, dict, "host 'attic'")

        run(speak())
    assert agent.asked == []


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'{"request": {"kind": "nonsense"}}', b"\x78\x9cx",
    b'{"stream": "a.>", "request": {}}', b"[" * 100_000,
])  # fmt: skip
def test_a_question_that_is_none_is_refused_and_harms_nothing(
    server: NatsServer, authority: Authority, body: bytes
) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent), manager_bus(server, authority) as bus:
        said = bus.connection.request(subjects.down("attic", subjects.CALL), body, 10)
        with pytest.raises(ZedopsError):
            messages.unpack(*said, dict, "host 'attic'")
        assert bus.call("attic", PingRequest())


def test_a_document_of_another_host_is_not_taken(
    server: NatsServer, authority: Authority
) -> None:
    agent = AgentEnd()
    with new_link(server, authority, "attic", agent), manager_bus(server, authority) as bus:
        other = document().model_copy(update={"host": "cellar"})
        bus.connection.publish(subjects.down("attic", subjects.DESIRED), messages.pack(other))
        bus.publish(document(2))
        wait_for(lambda: agent.documents)
    assert agent.documents == [document(2)]


def test_a_stream_whose_reader_vanished_is_ended_on_the_host(
    server: NatsServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOST_S", 1.0)
    monkeypatch.setattr(streams, "GRANT_S", 5.0)
    agent = AgentEnd(source=Chunks(0))
    with new_link(server, authority, "attic", agent), manager_bus(server, authority) as bus:
        stream = bus.stream("attic", LogsRequest(server_id=server_id(1), follow=True))

        def read() -> None:
            with contextlib.suppress(HostUnavailable):
                next(stream)

        reading = threading.Thread(target=read)
        reading.start()
        wait_for(agent.source.aborted.is_set, 30)
        bus.close()
        reading.join()


def test_a_host_that_vanishes_ends_the_stream_with_an_error(
    server: NatsServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "GRANT_S", 0.5)
    with manager_bus(server, authority) as bus:
        agent = AgentEnd(source=Chunks(0))
        with new_link(server, authority, "attic", agent):
            stream = bus.stream("attic", LogsRequest(server_id=server_id(1), follow=True))
            ended: list[Exception] = []

            def read() -> None:
                try:
                    for _ in stream:
                        pass
                except HostUnavailable as error:
                    ended.append(error)

            reading = threading.Thread(target=read)
            reading.start()
            wait_for(agent.source.asked.is_set)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: ended, 30)
        reading.join()


def test_a_revoked_host_is_told_why_it_has_no_connection(
    server: NatsServer, authority: Authority
) -> None:
    with new_link(server, authority, "attic", AgentEnd()) as link:
        authority.revoke("attic", datetime.now(UTC))
        server.reload()
        wait_for(lambda: not link.wait_up(0) and "uthoriz" in link.trouble)
        with pytest.raises(HostUnavailable, match="uthoriz"):
            link.sync(Hello(host="attic"))
