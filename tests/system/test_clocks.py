"""A wall clock that leaps by days under servers that run: nothing ends, stops or happens twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from tests import wall_clock
from tests.conftest import without
from tests.machine import Machine
from tests.system import servers
from tests.system.apart import Apart
from tests.wall_clock import WallClock

pytestmark = [pytest.mark.docker, pytest.mark.system]

LEAP = timedelta(days=3)
#: Forth and back, then back and forth.
HANDS = (LEAP, timedelta(), -LEAP, timedelta())
NAMES = ("steady", "restarted", "changed", "buried")


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    """Make a clock that can be set."""
    if (what := wall_clock.missing()) is not None:
        without(what)
    if wall_clock.is_waited_by():
        pytest.skip("this Python waits by the wall clock: glibc before 2.30, or musl")
    return WallClock(tmp_path)


@pytest.fixture(params=[
    pytest.param(Machine, id="one-host"),
    pytest.param(Apart, id="over-nats", marks=[pytest.mark.nats, pytest.mark.long]),
])
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, docker_api: docker.APIClient, image: str,
    clock: WallClock,
) -> Iterator[Machine]:
    """Run a fleet that goes by that clock, with a tombstone in it."""
    made: Machine = request.param(tmp_path, docker_api, image)
    try:
        made.init()
        with clock.worn():
            made.up()
        for name in NAMES:
            servers.write(made, name)
        made.push("begin")
        for name in NAMES:
            servers.wait_begun(made, name)
        made.pull()
        made.git("rm", "--quiet", "servers.d/buried.yaml")
        made.push("buried: gone")
        servers.wait_status(made, "buried", "deleted")
        made.pull()
        yield made
    finally:
        made.tear_down()


def leap(machine: Machine, clock: WallClock, ahead: timedelta) -> None:
    """Put the clock somewhere, and wait until the manager has looked at it.

    A tombstone moves along where the clock leaps forward, so that it stays as old as it was.
    """
    said, leapt, was = machine.log.read_text(), ahead - clock.ahead, deleted_at(machine)
    clock.put(ahead)
    machine.wait_for(
        lambda: machine.log.read_text().count("the clock leapt") > said.count("the clock leapt")
    )
    machine.wait_for(lambda: deleted_at(machine) == was + max(leapt, timedelta()))


def deleted_at(machine: Machine) -> datetime:
    """Read when git says the tombstone was made."""
    return datetime.fromisoformat(servers.state(machine, "buried")["deleted_at"])


def set_line(machine: Machine, name: str, key: str, value: str) -> None:
    """Say something in a definition, in place of what it said there."""
    path = machine.clone / f"servers.d/{name}.yaml"
    lines = path.read_text().splitlines(keepends=True)
    kept = [each for each in lines if not each.startswith(f"{key}:")]
    path.write_text("".join([f"{key}: {value}\n", *kept]))


def ask(machine: Machine, clock: WallClock, number: int) -> None:
    """Ask for a restart and for a change; each is done once, and dated by the clock as it is."""
    begun, starts = clock.now(), servers.starts(machine, "restarted")
    set_line(machine, "restarted", "restart", f"token-{number}")
    set_line(machine, "changed", "env", f"{{N: '{number}'}}")
    machine.push(f"round {number}")
    head = machine.git("rev-parse", "HEAD").strip()
    for name in ("restarted", "changed"):
        machine.wait_for(
            lambda name=name: head.startswith(servers.state(machine, name)["commit"])  # type: ignore[misc]
        )
        servers.wait_status(machine, name, "running")
    servers.wait_starts(machine, "restarted", starts + 1)
    since = datetime.fromisoformat(servers.state(machine, "changed")["since"])
    assert begun <= since <= clock.now()
    assert servers.state(machine, "buried").get("status") == "deleted", machine.said()
    machine.pull()


def test_a_clock_that_leaps_by_days_ends_stops_and_repeats_nothing(
    machine: Machine, clock: WallClock
) -> None:
    def steady() -> tuple[object, ...]:
        looks = servers.runs, servers.state, servers.told
        return tuple(look(machine, "steady") for look in looks)

    before = steady()
    for number, ahead in enumerate(HANDS, 1):
        leap(machine, clock, ahead)
        ask(machine, clock, number)
    begins_within_a_leap(machine, clock)
    ask(machine, clock, len(HANDS) + 1)
    assert servers.starts(machine, "restarted") == 2 + len(HANDS)
    assert steady() == before
    is_trusted_again(machine)


def begins_within_a_leap(machine: Machine, clock: WallClock) -> None:
    """End it, and start it when the clock has leapt: nobody there has seen that.

    The tombstone, which has moved along with each leap forward, looks three days old now.
    """
    machine.down()
    clock.put(deleted_at(machine) - datetime.now(UTC) + LEAP)
    with clock.worn():
        machine.up()


def is_trusted_again(machine: Machine) -> None:
    """See that a clock that has gone for as long as a retention lasts ends that, after all."""
    world = servers.home(machine, "buried") / "w" / "world.txt"
    settings = machine.clone / "zedops.yaml"
    settings.write_text(settings.read_text().replace("retention: 24h", "retention: 3s"))
    machine.push("a short memory")
    machine.zedops("restore", "buried", "--wait")  # what was deleted before is kept as it was said
    machine.zedops("delete", "buried", "--yes", "--wait")
    machine.wait_for(lambda: machine.subjects()[0] == "buried: purged")
    assert world.exists()
