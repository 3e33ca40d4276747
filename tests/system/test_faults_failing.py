"""An effect that fails at any point of the work on a server, for good and then no more: no loss.

On one host, and where the agent is reached over NATS.
"""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.machine import Machine
from tests.system.tours import SETTINGS, all_failing
from tests.system.walks import BY_HAND, WALKS, Walk, Walker

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400),
    pytest.mark.xdist_group("faults-failing"),
]


@pytest.fixture(scope="module", params=SETTINGS)
def failed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
    docker_api: docker.APIClient, image: str,
) -> Iterator[Walker]:
    """Do everything in the table at once, while each fails for good at its own point."""
    setting: type[Machine] = request.param
    walker = Walker(setting(tmp_path_factory.mktemp("failing"), docker_api, image))
    try:
        all_failing(walker, WALKS)
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
