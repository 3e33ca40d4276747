"""The Engine ends, dies or is not there: what its containers do then is nobody's doing."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from tests.docker.host import Host, host_on
from tests.docker.private_engine import PrivateEngine, running
from tests.machine import Machine
from zedops.errors import EngineFailed, EngineUnreachable
from zedops.protocol.sync import Goal, ServerReport
from zedops_agent.engine import stats
from zedops_agent.engine.engine import Engine
from zedops_agent.engine_watch import ENGINE_RETRY_S

pytestmark = [
    pytest.mark.docker,
    # docker-py forgets the socket of each connection that is refused
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\nports: {web: '8080'}\n"
#: Takes its time to end, so that a shutdown of the Engine is long enough to be disturbed.
SLOW = (
    "command: [/bin/busybox, sh, -c, \"trap '/bin/busybox sleep 2; exit 0' TERM; "
    "while :; do /bin/busybox sleep 1 & wait $!; done\"]\n"
)
#: An Engine that is back is made use of after this time at the latest, busy as it is then: with
#: the next try, that is, and not when everything is looked at anyway (`RESYNC_S`).
RECOVERY_S = ENGINE_RETRY_S + 10


@pytest.fixture(scope="module")
def imported(docker_api: docker.APIClient, image: str) -> Iterator[PrivateEngine]:
    """Run an Engine that has the image of the tests."""
    with running(image, docker_api) as made:
        yield made


@pytest.fixture
def engine(imported: PrivateEngine) -> PrivateEngine:
    """Have an Engine that a test may end as it likes."""
    if not imported.running:
        imported.start()
    return imported


@pytest.fixture
def host(tmp_path: Path, engine: PrivateEngine, image: str) -> Iterator[Host]:
    """Start an agent on that Engine."""
    with host_on(engine, tmp_path, image) as made:
        yield made


def wait_settled(host: Host, server: str, commit: str, after: int) -> ServerReport:
    """Wait until a server runs as a commit wants it."""
    return host.wait(
        server,
        lambda each: each.about == commit and each.container and each.container.running
        and each.activity is None and each.failure is None,
        after,
    )


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List what the agent complained about, but for what it says of its own accord each minute."""
    said = [
        each.getMessage() for each in caplog.records
        if each.name.startswith("zedops") and each.levelname != "INFO"
    ]
    return [each for each in said if not each.startswith("resync: ")]


def test_a_shutdown_of_the_engine_is_nobodys_doing_and_is_left_alone(
    host: Host, engine: PrivateEngine, caplog: pytest.LogCaptureFixture
) -> None:
    server, slow = host.want("rosewood", WORLD), host.want("slow", SLOW)
    before = host.wait_running(server)
    host.wait_running(slow)
    host.wait(server, lambda each: each.data_exists)
    seen = len(host.reports)
    # healed once by hand: the connection over which it would be started again is open now
    host.api.stop(f"{host.fleet}-rosewood", timeout=5)
    host.wait_running(server, seen)
    host.wait_started(server, 2)
    seen = len(host.reports)
    engine.stop()
    assert host.starts(server) == 2
    engine.start()
    host.want("rosewood", WORLD, commit="after")
    report = wait_settled(host, server, "after", seen)
    assert report.container is not None
    assert before.container is not None
    assert report.container.id == before.container.id
    assert host.containers() == [f"{host.fleet}-rosewood", f"{host.fleet}-slow"]
    host.wait_started(server, 3)
    for each in host.reports[seen:]:
        assert each.container is not None
        assert each.container.running
        assert (each.failure, each.note, each.data_lost) == (None, None, False)
        assert each.data_exists or each.id == slow
    host.until(lambda: "the Docker Engine answers again" in warnings(caplog))
    gone, _ = warnings(caplog)
    assert gone.startswith(f"the Docker Engine at {engine.url} does not answer: ")


def half_made(host: Host, server: str) -> None:
    """Leave what is to take the place of a server's container: the Engine must never start it."""
    labels = host.container("rosewood")["Config"]["Labels"]
    host.api.create_container(
        host.image, name=f"{host.fleet}-rosewood.next", labels=labels,
        host_config=host.api.create_host_config(
            binds=[f"{host.world(server)}:/data"], restart_policy={"Name": "unless-stopped"},
        ),
    )


def test_an_engine_that_was_killed_finds_its_servers_again(
    host: Host, engine: PrivateEngine
) -> None:
    server = host.want("rosewood", WORLD)
    before = host.wait_running(server)
    host.wait_started(server, 1)
    host.wait(server, lambda each: each.data_exists)
    seen = len(host.reports)
    host.stop()  # killed itself, when it had made the next container and not stopped this one
    half_made(host, server)
    engine.kill()
    engine.start()
    host.start()
    host.want("rosewood", WORLD, commit="after")
    report = wait_settled(host, server, "after", seen)
    assert report.container is not None
    assert before.container is not None
    assert report.container.id == before.container.id
    host.until(lambda: host.containers() == [f"{host.fleet}-rosewood"])
    host.wait_started(server, 2)
    for each in host.reports[seen:]:
        assert each.container is not None
        assert (each.failure, each.data_exists, each.data_lost) == (None, True, False)


def test_an_engine_that_is_gone_for_long_is_asked_now_and_then_and_said_to_be_gone_once(
    host: Host, engine: PrivateEngine, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"server{number}" for number in range(3)]
    servers = {name: host.want(name) for name in names}
    for server in servers.values():
        host.wait_running(server)
    engine.stop()
    knocks = hang_up(engine, tries=9)
    callers = len(names) + 1  # each server, and the events
    assert len(knocks) <= callers * (2 + knocks[-1] / ENGINE_RETRY_S), knocks
    seen = len(host.reports)
    for name in names:
        host.want(name, "env: {GREET: you}\n", commit=f"while-gone-{name}")
    engine.start()
    back = time.monotonic()
    for name, server in servers.items():
        commit = f"while-gone-{name}"
        host.wait(server, lambda each, commit=commit: each.about == commit, seen)  # type: ignore[misc]
    assert time.monotonic() - back < RECOVERY_S
    for name, server in servers.items():
        wait_settled(host, server, f"while-gone-{name}", seen)
        assert "GREET=you" in host.container(name)["Config"]["Env"]
    assert all(each.failure is None and each.container for each in host.reports[seen:])
    host.until(lambda: "the Docker Engine answers again" in warnings(caplog))
    assert len(warnings(caplog)) == 2


def hang_up(engine: PrivateEngine, tries: int) -> list[float]:
    """Stand where the Engine was and hang up on each caller; returns when they called, in s."""
    place = Path(engine.url.removeprefix("unix://"))
    calls: list[float] = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(place))
        door.listen(64)
        door.settimeout(30)
        begun = time.monotonic()
        while len(calls) < tries:
            door.accept()[0].close()
            calls.append(time.monotonic() - begun)
    place.unlink()
    return calls


def test_what_an_engine_refuses_while_it_shuts_its_door_is_no_failure(
    engine: PrivateEngine, image: str
) -> None:
    with contextlib.closing(engine.connect()) as api, contextlib.closing(Engine(engine.url)) as own:
        config = api.create_host_config(port_bindings={8080: 8080})
        first, second = (
            api.create_container(image, ports=[8080], host_config=config)["Id"] for _ in range(2)
        )
        own.containers.start(first)
        with pytest.raises(EngineFailed, match="port is already allocated") as refused:
            own.containers.start(second)
        assert not isinstance(refused.value, EngineUnreachable)
        Path(engine.url.removeprefix("unix://")).unlink()
        try:
            with pytest.raises(EngineUnreachable):
                own.containers.start(second)
        finally:
            engine.stop()
            engine.start()
        for each in (first, second):
            api.remove_container(each, force=True)
    gc.collect()


def test_zedops_up_begins_without_an_engine_says_so_and_goes_on_when_there_is_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.init()
    here = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")).path
    nobody = machine.folder / "nobody.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{nobody}")
    machine.up()
    said = machine.log.read_text()
    assert (
        f"the Docker Engine at unix://{nobody} does not answer: No such file or directory; "
        "start it, or name another one in DOCKER_HOST; trying on" in said
    )
    machine.define("rosewood")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "rosewood")
    machine.git("push", "-o", "no-wait")
    machine.wait_for(lambda: machine.state("rosewood").get("status") == "pending")
    nobody.symlink_to(here)
    machine.wait_for(lambda: machine.state("rosewood").get("status") == "running")
    assert "Traceback" not in machine.log.read_text()


def test_what_happened_while_agent_and_engine_were_away_is_found_at_the_start(
    host: Host, engine: PrivateEngine
) -> None:
    lost, stopped = host.want("lost", WORLD.replace("8080", "8081:8080")), host.want("stopped")
    ended = host.want("ended")
    for each in (lost, stopped, ended):
        host.wait_running(each)
    host.wait(lost, lambda each: each.data_exists)
    host.stop()
    host.api.remove_container(f"{host.fleet}-lost", force=True)
    host.api.stop(f"{host.fleet}-stopped", timeout=5)
    engine.stop()  # with all the events that it kept
    engine.start()
    seen = len(host.reports)
    host.want("ended", goal=Goal.DELETED)
    host.start()
    report = host.wait_running(lost, seen)
    assert str(report.note).startswith("recovered: ")
    assert report.data_exists
    host.wait_started(lost, 2)
    host.wait_running(stopped, seen)
    host.wait(ended, lambda each: each.container is None and each.activity is None, seen)
    assert host.containers() == [f"{host.fleet}-lost", f"{host.fleet}-stopped"]


def test_an_engine_that_hangs_holds_up_nobody_who_wants_figures(
    host: Host, engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = host.want("rosewood")
    host.wait_running(server)
    host.stop()
    monkeypatch.setattr(stats, "WITHIN_S", 1.0)
    with contextlib.closing(Engine(engine.url)) as own:
        assert [each.server_id for each in own.samples(host.fleet, {})] == [server]
        with engine.frozen(), pytest.raises(EngineUnreachable):
            own.samples(host.fleet, {})
        assert [each.server_id for each in own.samples(host.fleet, {})] == [server]
        own.close()
        assert own.samples(host.fleet, {}) == []
