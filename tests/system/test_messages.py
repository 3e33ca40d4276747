"""Messages to people, taken by a real HTTP server; whoever works is never held up by them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.listener import SECRET, Listener, listening
from tests.machine import Machine
from tests.nats.sides import wait_for
from tests.system.servers import begin, write
from zedops.fleet.fleet import Fleet
from zedops.fleet.notifications import Notice
from zedops.manager.metrics import Metrics
from zedops.manager.notifier import Messenger, Tempo
from zedops.spec import document
from zedops.spec.document import Document
from zedops.spec.settings import Event, Settings
from zedops.spec.state import State, Status

QUICK = Tempo(gather_s=0.1, apart_s=1.0, retry_s=0.1, longest_s=0.2, look_s=0.05)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listen."""
    with listening() as made:
        yield made


def fleet(url: str, *graves: Document, **notify: object) -> Fleet:
    """Make a fleet that sends its messages there."""
    settings = Settings.model_validate(
        {"name": "f", "retention": "2h", "notify": [{"url": url, **notify}]}
    )
    return Fleet("c", settings, {each.path: each for each in graves})


@pytest.fixture
def messenger() -> Iterator[Callable[[Fleet], Messenger]]:
    """Start messengers; end them afterwards."""
    made: list[Messenger] = []

    def start(of: Fleet, tempo: Tempo = QUICK) -> Messenger:
        made.append(Messenger(lambda: of, Metrics(), tempo))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.close()


Start = Callable[..., Messenger]


def failed(name: str) -> Notice:
    """Say that a server failed."""
    return Notice(Event.FAILED, f"{name} is failed")


def test_what_happens_together_is_one_message_and_the_next_keeps_its_distance(
    listener: Listener, messenger: Start
) -> None:
    # long enough to tell everything, whoever else wants the processor
    made = messenger(fleet(listener.url), replace(QUICK, gather_s=1.0))
    for each in range(30):
        made.tell(failed(f"s{each}"))
    wait_for(lambda: listener.heard)
    made.tell(failed("later"))
    made.tell(failed("latest"))
    wait_for(lambda: len(listener.heard) == 2)
    first, second = listener.heard
    assert (first["title"], first["message"].splitlines()[-1]) == (
        "f: 30 things happened", "and 15 more",
    )
    assert second["message"] == "later is failed\nlatest is failed"
    assert listener.times[1] - listener.times[0] >= 0.9


def test_only_what_was_asked_for_is_told(listener: Listener, messenger: Start) -> None:
    made = messenger(fleet(listener.url, on=["host-lost"]))
    made.tell(failed("rosewood"))
    made.tell(Notice(Event.HOST_LOST, "host attic does not answer"))
    wait_for(lambda: listener.heard)
    assert listener.heard[0]["message"] == "host attic does not answer"


def test_a_target_that_hangs_holds_nobody_up(listener: Listener, messenger: Start) -> None:
    listener.go_on.clear()
    made = messenger(fleet(f"{listener.url}?rto=60"))  # Apprise waits 4 s, or as long as this says
    made.tell(failed("first"))
    wait_for(lambda: listener.tries)
    for each in range(10_000):
        made.tell(failed(f"s{each}"))
    assert listener.tries == 1, "the first one hangs still"
    made.close()
    assert listener.tries == 1
    listener.go_on.set()


def test_one_that_refuses_is_tried_again_and_its_url_is_in_no_log(
    listener: Listener, messenger: Start, caplog: pytest.LogCaptureFixture
) -> None:
    listener.status = 500
    caplog.set_level("DEBUG", "zedops")
    caplog.set_level("DEBUG", "apprise")
    made = messenger(fleet(listener.url))
    made.tell(failed("rosewood"))
    wait_for(lambda: listener.tries >= 3)
    listener.status = 200
    wait_for(lambda: listener.heard)
    assert listener.heard[0]["message"] == "rosewood is failed"
    assert caplog.text.count("no message can be sent: json://… did not take it") == 1
    assert SECRET not in caplog.text


def test_a_purge_ahead_is_told_once(listener: Listener, messenger: Start) -> None:
    parsed = document.parse("tombstones.d/rosewood.yaml", b"image: x\n")
    at = datetime.now(UTC) - timedelta(minutes=90)
    state = State(id="0" * 26, status=Status.DELETED, deleted_at=at)
    grave = Document(parsed.path, parsed.head, parsed.definition, state)
    made = messenger(fleet(listener.url, grave))
    wait_for(lambda: listener.heard)
    made.tell(failed("other"))
    wait_for(lambda: len(listener.heard) == 2)
    assert "rosewood is purged in " in listener.heard[0]["message"]
    assert listener.heard[1]["message"] == "other is failed"


def test_a_variable_that_is_not_set_is_said_by_its_name(
    messenger: Start, caplog: pytest.LogCaptureFixture
) -> None:
    made = messenger(fleet("${ZEDOPS_TEST_NOWHERE}"))
    made.tell(failed("rosewood"))
    wait_for(lambda: "environment has no ZEDOPS_TEST_NOWHERE" in caplog.text)


@pytest.mark.docker
@pytest.mark.system
def test_a_fleet_tells_of_failures_losses_and_silent_hosts(
    machine: Machine, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEDOPS_TEST_URL", listener.url)
    machine.init()
    machine.write("zedops.yaml", (
        f"name: {machine.fleet}\nhosts: [local, attic]\ndefaults: {{host: local}}\n"
        'notify: [{url: "${ZEDOPS_TEST_URL}"}]\n'
    ))
    machine.push("two hosts, one of them only a name")
    options = machine.command()
    monkeypatch.setattr(machine, "command", lambda: [*options, "--host", "local"])
    machine.up()
    write(machine, "away", "host: attic")
    machine.git("add", "--all")
    machine.git("commit", "--quiet", "-m", "away: begin")
    machine.git("push", "-o", "no-wait")
    write(machine, "doomed", image="127.0.0.1:1/nothing:1")
    machine.push("doomed: begin")
    machine.wait_for(lambda: "doomed is failed: " in listener.text)
    machine.wait_for(lambda: "host attic does not answer" in listener.text, 70)
    machine.pull()
    begin(machine, "rosewood")
    container = machine.container("rosewood")
    assert container is not None
    machine.api.remove_container(container["Id"], force=True)
    machine.wait_for(lambda: "rosewood is missing" in listener.text, 70)
    assert all(each["path"] == f"/{SECRET}" for each in listener.heard)
    machine.down()
    assert SECRET not in machine.log.read_text()
    assert os.environ["ZEDOPS_TEST_URL"] not in machine.log.read_text()
