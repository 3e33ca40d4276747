"""An effect that fails at any point of the work on a server, for good and then no more: no loss."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.machine import Machine
from tests.system.walks import BY_HAND, WALKS, Walk, Walker, met, renamed
from zedops import faults

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400),
    pytest.mark.xdist_group("faults-failing"),
]


@pytest.fixture(scope="module")
def failed(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Walker]:
    """Do everything in the table at once, while each fails for good at its own point.

    Then what was broken is mended, and whoever needs to be asked again is.
    """
    machine = Machine(tmp_path_factory.mktemp("failing"), docker_api, image)
    orders, walker = machine.folder / "orders", Walker(machine)
    orders.touch()
    try:
        walker.begin()
        walker.prepare((each.verb, each.name) for each in WALKS)
        machine.down()
        machine.up(str(orders))
        orders.write_text("\n".join(each.order(faults.ALWAYS) for each in WALKS))
        for each in WALKS:
            walker.do(each.verb, each.name)
        walker.push("everything")
        missing = {f"{each.point}@{renamed(each.verb, each.name)}" for each in WALKS}
        machine.wait_for(lambda: missing <= met(orders) or machine.died, 120)
        assert not machine.died
        machine.pull()
        orders.write_text("")
        for each in WALKS:
            if each.verb in ("create", "update", "restore", "start"):
                walker.try_again(each.name)
        walker.push("again")
        yield walker
    finally:
        walker.tear_down()


@pytest.mark.parametrize("walk", [each for each in WALKS if each.verb not in BY_HAND], ids=str)
def test_a_server_survives_a_failure_at(walk: Walk, failed: Walker) -> None:
    failed.check(walk.verb, walk.name)


def test_no_commit_is_lost_and_the_history_is_whole_after_failures(failed: Walker) -> None:
    for each in WALKS:
        if each.verb not in BY_HAND:
            failed.check(each.verb, each.name)
    failed.check_fleet()
