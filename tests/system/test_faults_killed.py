"""`kill -9` between any two effects of the work on a server: it converges, and nothing is lost.

On one host, and where the agent that dies is reached over NATS.
"""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.machine import Machine
from tests.system.tours import SETTINGS, each_in_turn
from tests.system.walks import WALKS, Walk, Walker

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400),
    pytest.mark.xdist_group("faults-killed"),
]


@pytest.fixture(scope="module", params=SETTINGS)
def walked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    docker_api: docker.APIClient, image: str,
) -> Iterator[tuple[Walker, set[Walk]]]:
    """Do everything in the table; gives also which of them did die."""
    setting: type[Machine] = request.param
    walker = Walker(setting(tmp_path_factory.mktemp("killed"), docker_api, image))
    try:
        yield walker, each_in_turn(walker, WALKS)
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
