"""What holds on every bus, whatever carries it: in one process and over NATS."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.nats.links import manager_bus, new_link
from tests.nats.sides import AgentEnd, Chunks, ManagerEnd, wait_for
from tests.pure.fleets import NOW, server_id
from zedops.bus import pulse
from zedops.bus.interfaces import Bus, Link
from zedops.bus.local import LocalBus
from zedops.bus.nats import streams
from zedops.bus.nats.streams import CHUNK_BYTES, WINDOW
from zedops.errors import CommandFailed, EngineFailed, HostUnavailable, ZedopsError
from zedops.protocol.requests import (
    DataRequest,
    ExecRequest,
    InventoryRequest,
    LogsRequest,
    PingRequest,
    Pong,
    PortsRequest,
)
from zedops.protocol.sync import (
    DesiredDocument,
    DesiredServer,
    Goal,
    Heartbeat,
    Hello,
    Progress,
    Report,
    ServerReport,
)
from zedops.spec.model import Definition, Drift

pytestmark = pytest.mark.nats


def document(count: int = 1) -> DesiredDocument:
    """Make a host's document."""
    servers = {
        server_id(at): DesiredServer(
            id=server_id(at), name=f"s{at}", goal=Goal.RUNNING, hash="1:aa", commit="3f2a1c9",
            definition=Definition(image="a", env={"A": "x" * 500}), created=False,
            data_expected=False, drift=Drift.HEAL,
        )
        for at in range(count)
    }
    return DesiredDocument(fleet="fleet", host="attic", epoch=2, rev=count, servers=servers)


def reports(count: int, of: int = 1) -> list[ServerReport]:
    """Make reports, numbered by what they are about."""
    return [ServerReport(id=server_id(of), at=NOW, about=f"{at:07d}") for at in range(count)]


@dataclass
class Ends:
    """A bus with one host on it, and what both sides were told."""

    bus: Bus
    link: Link
    manager: ManagerEnd
    agent: AgentEnd


@pytest.fixture(params=["in one process", "over NATS"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    manager, agent = ManagerEnd(document()), AgentEnd()
    with contextlib.ExitStack() as stack:
        if request.param == "in one process":
            local = LocalBus()
            made = Ends(local, local.join("attic", agent), manager, agent)
        else:
            server = request.getfixturevalue("server")
            authority = request.getfixturevalue("authority")
            link = stack.enter_context(new_link(server, authority, "attic", agent))
            bus = stack.enter_context(manager_bus(server, authority))
            made = Ends(bus, link, manager, agent)
        made.bus.serve(manager)
        wait_for(lambda: agent.greeted)
        yield made
        agent.held.set()


def test_a_sync_hands_out_the_whole_document(ends: Ends) -> None:
    hello = Hello(host="attic", epoch=1, rev=2, zedops="0.1")
    assert ends.link.sync(hello) == ends.manager.document
    assert ends.manager.hellos == [hello]


def test_a_document_of_a_large_host_arrives_whole(ends: Ends) -> None:
    ends.manager.document = document(4000)
    assert ends.link.sync(Hello(host="attic")) == ends.manager.document


def test_what_the_manager_raises_reaches_the_agent(ends: Ends) -> None:
    ends.manager.away = True
    with pytest.raises(HostUnavailable, match="has not committed its newest changes yet"):
        ends.link.sync(Hello(host="attic"))


def test_a_heartbeat_is_answered_with_what_the_host_should_hold(ends: Ends) -> None:
    answer = ends.link.heartbeat(Heartbeat(host="attic", epoch=1, rev=9))
    assert (answer.epoch, answer.rev, answer.want_report) == (2, 1, True)
    assert ends.manager.beats == [Heartbeat(host="attic", epoch=1, rev=9)]


def test_reports_arrive_whole_and_in_order(ends: Ends) -> None:
    sent = reports(3000)
    for at in range(0, len(sent), 100):
        ends.link.report(Report(host="attic", servers=tuple(sent[at : at + 100])))
    assert ends.manager.reports == sent


def test_progress_is_told(ends: Ends) -> None:
    told = Progress(host="attic", id=server_id(1), text="pulling 40 %")
    ends.link.progress(told)
    wait_for(lambda: ends.manager.told == [told])


def test_a_pushed_document_reaches_its_host(ends: Ends) -> None:
    ends.bus.publish(document(3))
    wait_for(lambda: ends.agent.documents == [document(3)])


def test_documents_arrive_in_the_order_in_which_they_were_pushed(ends: Ends) -> None:
    pushed = [document(at) for at in range(1, 60)]
    for each in pushed:
        ends.bus.publish(each)
    wait_for(lambda: len(ends.agent.documents) == len(pushed))
    assert ends.agent.documents == pushed


def test_a_push_to_a_host_that_is_away_is_no_error(ends: Ends) -> None:
    ends.bus.publish(document().model_copy(update={"host": "cellar"}))
    assert ends.agent.documents == []


def test_a_question_is_answered(ends: Ends) -> None:
    assert ends.bus.call("attic", PingRequest()) == Pong(zedops="1", engine="2", epoch=3, rev=4)


def test_what_a_host_raises_keeps_its_kind_and_its_words(ends: Ends) -> None:
    with pytest.raises(EngineFailed, match="the Engine says no"):
        ends.bus.call("attic", PortsRequest())


def test_a_bug_on_a_host_is_an_error_and_not_a_silence(ends: Ends) -> None:
    with pytest.raises((ZedopsError, RuntimeError), match="a bug"):
        ends.bus.call("attic", InventoryRequest())


def test_a_host_that_is_not_there_is_told_at_once(ends: Ends) -> None:
    for ask in (
        lambda: ends.bus.call("cellar", PingRequest()),
        lambda: list(ends.bus.stream("cellar", LogsRequest(server_id=server_id(1)))),
    ):
        begun = time.monotonic()
        with pytest.raises(HostUnavailable, match="cellar"):
            ask()
        assert time.monotonic() - begun < 25, "it waited for an answer that cannot come"


def test_a_question_that_takes_long_holds_up_nobody(ends: Ends) -> None:
    slow = threading.Thread(target=ends.bus.call, args=("attic", DataRequest()))
    slow.start()
    wait_for(lambda: ends.agent.asked)
    ends.bus.call("attic", PingRequest())
    ends.link.report(Report(host="attic", servers=tuple(reports(1))))
    assert slow.is_alive()
    ends.agent.held.set()
    slow.join()


def test_a_stream_arrives_whole_and_in_order(ends: Ends) -> None:
    ends.agent.source = Chunks(300, size=100_000)
    found = b"".join(ends.bus.stream("attic", LogsRequest(server_id=server_id(1))))
    assert found == b"".join(f"{at:08d}".encode() * 12_500 for at in range(1, 301))


def test_a_reader_that_takes_its_time_is_not_run_over(ends: Ends) -> None:
    ends.agent.source = source = Chunks(1000, size=CHUNK_BYTES)
    stream = ends.bus.stream("attic", LogsRequest(server_id=server_id(1)))
    for expected in range(1, 5):
        assert next(stream).startswith(f"{expected:08d}".encode())
    time.sleep(0.3)  # as long as it would take to send all of it
    assert source.taken <= 5 + WINDOW, "more is on its way than both sides agreed to hold"
    assert sum(1 for _ in stream) == 996


def test_a_failure_in_the_middle_ends_the_stream_with_it(ends: Ends) -> None:
    ends.agent.source = Chunks(2, fails=True)
    stream = ends.bus.stream("attic", ExecRequest(server_id=server_id(1), command=("x",)))
    assert len(list(itertools.islice(stream, 2))) == 2
    with pytest.raises(CommandFailed, match="code 3"):
        next(stream)


def test_a_stream_that_cannot_begin_says_why(ends: Ends) -> None:
    wanted = ExecRequest(server_id=server_id(1), command=("none",))
    with pytest.raises(HostUnavailable, match="no container"):
        list(ends.bus.stream("attic", wanted))


def test_a_reader_that_goes_ends_the_stream_on_the_host(ends: Ends) -> None:
    ends.agent.source = source = Chunks(None)
    stream = ends.bus.stream("attic", LogsRequest(server_id=server_id(1), follow=True))
    next(stream)
    stream.close()
    assert source.aborted.wait(10)


def test_a_silent_stream_shows_that_it_lives_so_that_its_reader_may_leave(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "GRANT_S", 0.2)
    monkeypatch.setattr(pulse, "PULSE_S", 0.2)
    ends.agent.source = source = Chunks(0)
    stream = ends.bus.stream("attic", LogsRequest(server_id=server_id(1), follow=True))
    assert next(stream) == next(stream) == b""
    stream.close()
    assert source.aborted.wait(10)


def test_a_new_manager_greets_every_host(ends: Ends) -> None:
    before = ends.agent.greeted
    ends.bus.serve(ManagerEnd(document(2)))
    wait_for(lambda: ends.agent.greeted > before)
    assert ends.link.sync(Hello(host="attic")).rev == 2
