"""`kill -9` between any two effects of the work on a server: it converges, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import docker
import pytest

from tests.machine import Machine
from tests.system.walks import BY_HAND, WALKS, Walk, Walker
from zedops import faults

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400),
    pytest.mark.xdist_group("faults-killed"),
]


@pytest.fixture(scope="module")
def walked(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[tuple[Walker, set[Walk]]]:
    """Do everything in the table, one after the other, each time dying at its point.

    The next one begins while the one before still recovers. Gives also which of them did die.
    """
    machine = Machine(tmp_path_factory.mktemp("killed"), docker_api, image)
    walker, died = Walker(machine), set()
    try:
        walker.begin()
        walker.prepare((each.verb, each.name) for each in WALKS)
        machine.down()
        for each in WALKS:
            machine.up(each.order(faults.KILL))
            walker.do(each.verb, each.name)
            if each.verb not in BY_HAND:
                walker.push(str(each))
            with suppress(AssertionError):  # its own test tells of it
                machine.wait_for(lambda: machine.died)
                died.add(each)
            machine.down(kill=True)
            machine.pull()
        machine.up()
        walker.push_again()
        yield walker, died
    finally:
        walker.tear_down()


@pytest.mark.parametrize("walk", WALKS, ids=str)
def test_a_server_survives_a_kill_at(walk: Walk, walked: tuple[Walker, set[Walk]]) -> None:
    walker, died = walked
    assert walk in died, "it never came by"
    walker.check(walk.verb, walk.name)


def test_no_commit_is_lost_and_the_history_is_whole(walked: tuple[Walker, set[Walk]]) -> None:
    walker, _ = walked
    for each in WALKS:
        walker.check(each.verb, each.name)
        if each.verb == "update":
            walker.machine.wait_for(lambda name=each.name: walker.ups(walker.ids[name]) == [True])  # type: ignore[misc]
    walker.check_fleet()
