"""A server that saves its world is given its time, whatever happens to zedops and to the Engine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest

from tests.docker.host import Host, host_on
from tests.docker.private_engine import PrivateEngine, running
from zedops.protocol.sync import Goal
from zedops.spec.model import Drift, Stop
from zedops_agent import drain
from zedops_agent.engine.engine import Engine
from zedops_agent.stops import Stopping

pytestmark = [
    pytest.mark.docker,
    # docker-py forgets the socket of each connection that is refused
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def saver(ticks: int, signal: str = "TERM") -> str:
    """Write a server that saves for so many fifths of a second, and writes down each signal."""
    script = (
        "n=0; t=0; said() { n=$((n+1)); echo $1$n >> /data/log; }; "
        f"trap 'said TERM' TERM; trap 'said {signal}' {signal}; echo start >> /data/log; "
        "while :; do /bin/busybox sleep 0.2 & wait $!; [ $n -gt 0 ] && t=$((t+1)); "
        f"[ $t -ge {ticks} ] && {{ echo saved >> /data/log; exit 0; }}; done"
    )
    return f"command: [/bin/busybox, sh, -c, {script!r}]\nvolumes: {{world: /data}}\n"


def log(host: Host, server: str) -> list[str]:
    """Read what a server wrote down."""
    path = host.world(server) / "log"
    return path.read_text().split() if path.exists() else []


def wait_log(host: Host, server: str, *lines: str) -> None:
    """Wait until a server has written these lines, and no others."""
    host.until(lambda: len(log(host, server)) >= len(lines))
    assert log(host, server) == list(lines)


def begin(host: Host, name: str, text: str) -> str:
    """Have a server that listens to signals."""
    server = host.want(name, text)
    host.wait_running(server)
    wait_log(host, server, "start")
    return server


# --- zedops ends, or hears something else meanwhile


def test_a_stop_goes_on_where_another_process_of_zedops_began_it(host: Host) -> None:
    text = saver(10) + "stop: {grace: 1h}\n"
    server = begin(host, "rosewood", text)
    seen = len(host.reports)
    host.want("rosewood", text, goal=Goal.STOPPED)
    wait_log(host, server, "start", "TERM1")
    host.stop()
    host.start()
    host.wait(server, lambda each: each.note and each.activity is None, seen)
    assert log(host, server) == ["start", "TERM1", "saved"]


def test_a_grace_that_is_corrected_is_heard_while_the_stop_waits(host: Host) -> None:
    text = saver(9999)
    server = begin(host, "rosewood", text + "stop: {grace: 1h}\n")
    host.want("rosewood", text + "stop: {grace: 1h}\n", goal=Goal.DELETED)
    wait_log(host, server, "start", "TERM1")
    host.want("rosewood", text + "stop: {grace: 1s}\n", goal=Goal.DELETED)
    host.until(lambda: host.containers() == [])


def test_what_was_deleted_while_it_was_being_stopped_is_not_started_once_more(host: Host) -> None:
    text = saver(10) + "stop: {grace: 1h}\n"
    server = begin(host, "rosewood", text)
    host.want("rosewood", f"{text}env: {{GREET: you}}\n")
    wait_log(host, server, "start", "TERM1")
    host.want("rosewood", f"{text}env: {{GREET: you}}\n", goal=Goal.DELETED)
    host.until(lambda: host.containers() == [])
    assert log(host, server) == ["start", "TERM1", "saved"]


def test_what_was_edited_while_it_was_being_stopped_is_started_once(host: Host) -> None:
    text = saver(10) + "stop: {grace: 1h}\n"
    server = begin(host, "rosewood", text)
    host.want("rosewood", f"{text}env: {{GREET: you}}\n")
    wait_log(host, server, "start", "TERM1")
    host.want("rosewood", f"{text}env: {{GREET: all}}\n", commit="newest")
    host.wait(server, lambda each: each.about == "newest" and each.applied)
    wait_log(host, server, "start", "TERM1", "saved", "start")
    assert "GREET=all" in host.container("rosewood")["Config"]["Env"]


# --- what people and the Engine do meanwhile


def test_what_is_restarted_by_hand_while_it_is_being_replaced_never_runs_beside_the_new_one(
    host: Host,
) -> None:
    text = saver(5) + "stop: {grace: 1h}\n"
    server = begin(host, "rosewood", text)
    before = host.container("rosewood")["Id"]
    by_hand = threading.Thread(target=host.api.restart, args=(before,), kwargs={"timeout": 30})
    host.want("rosewood", f"{text}env: {{GREET: you}}\n", commit="newest")
    host.until(lambda: "TERM1" in log(host, server))
    by_hand.start()
    host.wait(server, lambda each: each.about == "newest" and each.applied)
    by_hand.join()
    said = log(host, server)
    starts = [index for index, line in enumerate(said) if line == "start"]
    assert all(said[index - 1] == "saved" for index in starts[1:]), said


def test_what_is_paused_while_it_is_being_stopped_goes_on_and_saves(host: Host) -> None:
    text = saver(10) + "stop: {grace: 10s}\n"
    server = begin(host, "rosewood", text)
    seen = len(host.reports)
    host.want("rosewood", text, goal=Goal.STOPPED)
    wait_log(host, server, "start", "TERM1")
    host.api.pause(f"{host.fleet}-rosewood")
    host.wait(server, lambda each: each.note, seen)
    assert log(host, server) == ["start", "TERM1", "saved"]


def test_what_is_paused_is_stopped_by_its_commands_and_its_signal_all_the_same(host: Host) -> None:
    text = saver(1) + "stop: {grace: 10s, commands: ['echo asked >> /data/log']}\n"
    server = begin(host, "rosewood", text)
    seen = len(host.reports)
    host.want("rosewood", text, goal=Goal.STOPPED)
    host.wait(server, lambda each: each.note, seen)
    assert log(host, server) == ["start", "asked", "TERM1", "saved"]


@pytest.mark.parametrize("signal", ["SIGINT", "SIGFOO"])
def test_a_signal_that_the_container_was_not_made_with_stops_it_for_good(
    host: Host, signal: str
) -> None:
    text = saver(1, "INT")
    server = begin(host, "rosewood", text)
    seen = len(host.reports)
    host.want("rosewood", f"{text}stop: {{signal: {signal}}}\n", goal=Goal.STOPPED)
    host.wait(server, lambda each: each.note and each.activity is None, seen)
    told = "INT1" if signal == "SIGINT" else "TERM1"  # what no Engine knows is not sent
    assert log(host, server) == ["start", told, "saved"]
    assert not host.container("rosewood")["State"]["Running"]


def test_an_end_by_somebody_elses_kill_is_told(host: Host) -> None:
    text = saver(9999) + "stop: {grace: 1h}\n"
    server = begin(host, "rosewood", text)
    seen = len(host.reports)
    host.want("rosewood", text, goal=Goal.STOPPED)
    wait_log(host, server, "start", "TERM1")
    host.api.kill(f"{host.fleet}-rosewood")
    report = host.wait(server, lambda each: each.note, seen)
    assert "something else killed it; it may have lost progress" in str(report.note)


def test_a_kill_by_hand_is_told_where_the_server_runs_again_at_once(host: Host) -> None:
    server = begin(host, "rosewood", saver(9999))
    seen = len(host.reports)
    host.api.kill(f"{host.fleet}-rosewood")
    report = host.wait(
        server, lambda each: each.note and each.container and each.container.running, seen
    )
    assert str(report.note).startswith("it was killed (exit code 137)")


def test_a_signal_whose_answer_was_lost_is_not_sent_again(host: Host) -> None:
    server = begin(host, "rosewood", saver(5))
    host.stop()
    with contextlib.closing(Engine()) as engine:
        (process,) = engine.look(host.fleet, server, None)
        begun = Stopping(
            container=process.id, started_at=process.started_at, begun_at=datetime.now(UTC),
            since_s=time.monotonic(), signal="SIGTERM",
        )
        host.api.kill(process.id, "SIGTERM")
        assert engine.containers.stop(process.id, Stop, begun).exit_code == 0
    assert log(host, server) == ["start", "TERM1", "saved"]


# --- the Engine goes


@pytest.fixture(scope="module")
def replaceable(docker_api: docker.APIClient, image: str) -> Iterator[PrivateEngine]:
    """Run an Engine that may be replaced while its containers run on, behind an open socket."""
    with running(image, docker_api, "--live-restore", activated=True) as made:
        yield made


@pytest.fixture
def elsewhere(tmp_path: Path, replaceable: PrivateEngine, image: str) -> Iterator[Host]:
    """Start an agent on that Engine."""
    with host_on(replaceable, tmp_path, image) as made:
        yield made


@pytest.mark.parametrize("dies", [False, True])
def test_an_engine_that_goes_while_servers_save_kills_none_of_them(
    elsewhere: Host, replaceable: PrivateEngine, *, dies: bool
) -> None:
    host, text = elsewhere, saver(25) + "stop: {grace: 60s}\n"
    names = ("stopped", "restarted", "updated", "deleted")
    stopped, restarted, updated, deleted = (begin(host, name, text) for name in names)
    servers = stopped, restarted, updated, deleted
    host.want("stopped", text, goal=Goal.STOPPED)
    host.want("restarted", f"{text}restart: now\n")
    host.want("updated", f"{text}env: {{GREET: you}}\n")
    host.want("deleted", text, goal=Goal.DELETED)
    for each in servers:
        host.until(lambda each=each: "TERM1" in log(host, each))  # type: ignore[misc]
    replaceable.kill() if dies else replaceable.stop()
    replaceable.start()
    for each in servers:
        host.until(lambda each=each: "saved" in log(host, each))  # type: ignore[misc]
    wait_log(host, restarted, "start", "TERM1", "saved", "start")
    wait_log(host, updated, "start", "TERM1", "saved", "start")
    for each in (stopped, deleted):
        assert log(host, each) == ["start", "TERM1", "saved"]
    host.until(lambda: host.containers() == [f"{host.fleet}-{each}" for each in sorted(names[:3])])


# --- the machine goes


@pytest.mark.parametrize("drift", [Drift.HEAL, Drift.REPORT])
@pytest.mark.parametrize("works", [True, False])
def test_a_drained_host_stops_its_servers_properly_and_its_next_start_brings_them_back(
    host: Host, drift: Drift, *, works: bool
) -> None:
    text = saver(3) + "stop: {grace: 1h, commands: ['echo asked >> /data/log']}\n"
    server = host.want("rosewood", text, drift=drift)
    host.wait_running(server)
    host.until(lambda: log(host, server) == ["start"])
    if not works:
        host.stop()
    assert drain.fleets(host.root) == [host.fleet]
    assert drain.drain(host.fleet, host.root, host.policy) == 1
    assert log(host, server) == ["start", "asked", "TERM1", "saved"]
    assert not host.container("rosewood")["State"]["Running"]
    if works:
        report = host.wait(server, lambda each: each.note)
        assert report.note == "this host is drained: it is started again when zedops is"
        host.stop()
    assert drain.drain(host.fleet, host.root, host.policy) == 0
    host.start()
    host.until(lambda: log(host, server)[-1] == "start")


def test_what_was_stopped_by_hand_stays_so_after_a_drain_where_drift_is_only_reported(
    host: Host,
) -> None:
    text = saver(1)
    by_hand = host.want("by-hand", text, drift=Drift.REPORT)
    server = host.want("rosewood", text)
    for each in (by_hand, server):
        host.wait_running(each)
        host.wait(each, lambda each: each.applied)
    host.api.stop(f"{host.fleet}-by-hand", timeout=30)
    host.wait(by_hand, lambda each: each.note)
    host.stop()
    assert drain.drain(host.fleet, host.root, host.policy) == 1
    seen = len(host.reports)
    host.start()
    host.wait_running(server, seen)
    report = host.wait(by_hand, lambda each: each.note, seen)
    assert report.note == "stopped outside zedops; left so by `drift: report`"
