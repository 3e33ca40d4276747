"""Everything that is asked of a server, over NATS, where the agent dies midway in each of them.

A part of the walks in `test_faults_killed`, small enough for every run.
"""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from tests.system.apart import Apart
from tests.system.tours import each_in_turn
from tests.system.walks import BY_HAND, TABLE, Walk, Walker

pytestmark = [pytest.mark.docker, pytest.mark.nats, pytest.mark.system]

MIDWAY = tuple(
    Walk(verb, points[len(points) // 2]) for verb, points in TABLE.items() if verb not in BY_HAND
)


def test_every_verb_over_nats_survives_a_kill_in_its_midst(
    tmp_path: Path, docker_api: docker.APIClient, image: str
) -> None:
    walker = Walker(Apart(tmp_path, docker_api, image))
    try:
        assert each_in_turn(walker, MIDWAY) == set(MIDWAY)
        for each in MIDWAY:
            walker.check(each.verb, each.name)
        walker.check_fleet()
    finally:
        walker.tear_down()
