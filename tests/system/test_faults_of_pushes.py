"""A fault at every point that a push passes, with every kind of change in it: it converges."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest

from tests.machine import Machine
from tests.system.carousel import Carousel, lending
from zedops.system import failpoints

pytestmark = [
    pytest.mark.docker, pytest.mark.system, pytest.mark.timeout(180),
    pytest.mark.xdist_group("faults-of-pushes"),
]

#: Met by a manager and an agent that come back and find work; a life without a break passes none.
AT_START = ("hub.epoch", "contact.synced")
#: Met only where there is nothing to say of what was pushed.
QUIET = ("hub.seen",)
#: Met in every round; those within the work on one server have walks of their own.
PUSHED = tuple(
    each for each in failpoints.POINTS if each not in (*AT_START, *QUIET, "store.memory")
)


@pytest.fixture(scope="module")
def turning(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Callable[[], Carousel]]:
    """Set a fleet going whenever there is none that goes well."""
    with lending(lambda: Machine(tmp_path_factory.mktemp("pushes"), docker_api, image)) as lend:
        yield lend


@pytest.fixture
def carousel(turning: Callable[[], Carousel]) -> Carousel:
    """Lend a fleet to one test."""
    return turning()


@pytest.mark.parametrize("point", PUSHED)
def test_a_push_of_everything_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    carousel.survive_kill(point)


@pytest.mark.parametrize("point", AT_START)
def test_a_start_with_work_to_do_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    carousel.survive_kill_at_start(point)


@pytest.mark.parametrize("point", QUIET)
def test_a_push_that_asks_for_nothing_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    carousel.survive_kill_of_nothing_asked(point)


@pytest.mark.parametrize("hook", failpoints.HOOK_POINTS)
def test_a_push_of_everything_survives_the_death_of(hook: str, carousel: Carousel) -> None:
    carousel.survive_death_of(hook)


@pytest.mark.long
@pytest.mark.parametrize("point", PUSHED)
def test_a_push_of_everything_survives_failures_at(point: str, carousel: Carousel) -> None:
    carousel.survive_failures(point)


def test_one_failure_after_the_other_is_survived(carousel: Carousel) -> None:
    carousel.survive_one_failure_at_each(PUSHED)
