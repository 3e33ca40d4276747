"""Being watched: metrics, health and logs of a fleet that really runs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import without
from tests.machine import Machine, free_port
from tests.relay import Relay
from tests.system.servers import begin, edit, wait_status, write

pytestmark = [pytest.mark.docker, pytest.mark.system]


class Watched(Machine):
    """A machine whose `zedops up` can be watched."""

    port = 0

    def command(self) -> list[str]:
        """Say what runs the fleet."""
        return [*super().command(), "--metrics", str(self.port)]

    def ask(self, path: str) -> tuple[int, str]:
        """Ask the endpoint; returns status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def value(self, name: str, **labels: str) -> float | None:
        """Read one sample; None if there is none."""
        for family in text_string_to_metric_families(self.ask("/metrics")[1]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, docker_api: object, image: str, wire: Relay
) -> Iterator[Watched]:
    """Run a watched fleet at the end of a wire to the Engine."""
    made = Watched(tmp_path_factory.mktemp("watched"), docker_api, image)  # type: ignore[arg-type]
    made.port = free_port()
    try:
        made.init()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{wire.address}")
            made.up()
        made.wait_for(lambda: _answers(made))
        yield made
    finally:
        made.tear_down()


def _answers(machine: Watched) -> bool:
    try:
        return machine.ask("/healthz")[0] == 200
    except OSError:
        return False


def test_a_push_is_counted_with_how_long_it_took_until_all_was_done(watched: Watched) -> None:
    settled = ("zedops_convergence_seconds_count", "zedops_convergence_seconds_sum")
    before = [watched.value(each, outcome="settled") or 0.0 for each in settled]
    pushes = watched.value("zedops_pushes_total", verdict="accepted") or 0.0
    starts = watched.value("zedops_agent_steps_total", kind="Start", outcome="done") or 0.0
    path = begin(watched, "metered")
    after = [watched.value(each, outcome="settled") or 0.0 for each in settled]
    assert after[0] == before[0] + 1
    assert 0.05 < after[1] - before[1] < 30
    assert watched.value("zedops_pushes_total", verdict="accepted") == pushes + 1
    assert watched.value("zedops_agent_steps_total", kind="Start", outcome="done") == starts + 1
    assert watched.value(
        "zedops_server_status", server="metered", host="local", status="running"
    ) == 1
    assert (watched.value("zedops_servers", status="running") or 0) >= 1
    assert watched.value("zedops_hosts_known") == watched.value("zedops_hosts_answering") == 1
    assert watched.value("zedops_manager_leads") == 1
    edit(watched, path, "grace: 5s", "grace: 6s")  # asks nothing of the host but to know it
    watched.git("push")
    assert watched.value("zedops_convergence_seconds_count", outcome="settled") == after[0] + 1


def test_a_refused_push_and_a_failure_are_counted_as_what_they_are(watched: Watched) -> None:
    refused = watched.value("zedops_pushes_total", verdict="refused") or 0.0
    watched.write("servers.d/bad.yaml", "imag: x\n")
    watched.git("add", "--all")
    watched.git("commit", "--quiet", "-m", "bad")
    watched.git("push", code=1)
    assert watched.value("zedops_pushes_total", verdict="refused") == refused + 1
    watched.git("reset", "--quiet", "--hard", "HEAD~1")
    failed = watched.value("zedops_convergence_seconds_count", outcome="failed") or 0.0
    write(watched, "doomed", image="127.0.0.1:1/nothing:1")
    said = watched.push("doomed: begin")
    assert "remote: doomed" in said
    wait_status(watched, "doomed", "failed")
    assert watched.value("zedops_agent_steps_total", kind="Pull", outcome="failed")
    watched.wait_for(
        lambda: watched.value("zedops_convergence_seconds_count", outcome="failed") == failed + 1
    )


def test_health_says_that_the_engine_is_gone_and_that_it_is_back(
    watched: Watched, wire: Relay
) -> None:
    assert watched.ask("/healthz") == (
        200, '{"ok": true, "parts": {"manager": "ok", "agent": "ok"}}\n'
    )
    with wire.cut():
        watched.wait_for(lambda: watched.ask("/healthz")[0] == 503)
        assert "the Docker Engine does not answer" in watched.ask("/healthz")[1]
        assert watched.value("zedops_agent_engine_reachable") == 0
    watched.wait_for(lambda: watched.ask("/healthz")[0] == 200)
    assert watched.value("zedops_agent_engine_reachable") == 1


def test_promtool_accepts_every_metric(watched: Watched) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        without("promtool")
    begin(watched, "linted")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=watched.ask("/metrics")[1],
        capture_output=True, text=True, check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_listens_on_loopback_alone_and_shows_nothing_else(watched: Watched) -> None:
    assert watched.ask("/")[0] == 404
    assert watched.ask("/../zedops.yaml")[0] == 404
    listening = [
        each.laddr.ip for each in psutil.net_connections("tcp")
        if each.laddr and each.laddr.port == watched.port and each.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_logs_are_json_lines_where_no_terminal_is(watched: Watched) -> None:
    begin(watched, "logged")
    lines = [json.loads(line) for line in watched.log.read_text().splitlines()]
    commits = [each for each in lines if each.get("event") == "commit"]
    told = [each["text"] for each in commits if each["text"].startswith("logged: ")]
    assert any("→ running" in each for each in told)
    assert all(each["level"] == "info" and each["at"].endswith("Z") for each in commits)
    steps = [each for each in lines if each.get("server") == "logged"]
    assert any("Start(" in each["text"] and each["cause"] for each in steps)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_zedops_and_not_the_servers(machine: Machine, number: signal.Signals) -> None:
    machine.init()
    log = machine.folder / "text.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "zedops", *machine.command(), "--log-format", "text"],
            stdout=out, stderr=subprocess.STDOUT, cwd=machine.folder,
        )
    try:
        machine.wait_for(lambda: "Ctrl-C ends zedops, not the servers" in log.read_text())
        begin(machine, "survivor")
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert said.startswith(f"fleet {machine.fleet!r}: 0 servers, host local, Docker Engine ")
    assert said.rstrip().endswith("ending after the step in hand; servers go on running")
    assert "Traceback" not in said
    container = machine.container("survivor")
    assert container is not None
    assert container["State"]["Running"]


@pytest.mark.parametrize(
    ("address", "words"),
    [("example.org:80", "is no address and port"), ("127.0.0.1:x", "is no address and port")],
)
def test_an_address_that_is_none_is_said_before_anything_begins(
    machine: Machine, address: str, words: str
) -> None:
    machine.init()
    done = machine.zedops(*machine.command(), "--metrics", address, code=2)
    assert words in done.stderr
    assert not Path(machine.data_root).exists()
