"""A fault at every point that a push passes on its way over NATS: either side dies alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest

from tests.system import test_faults_of_pushes as pushes
from tests.system.apart import Apart
from tests.system.carousel import Carousel, lending
from zedops.system import failpoints

pytestmark = [
    pytest.mark.docker, pytest.mark.nats, pytest.mark.system, pytest.mark.timeout(180),
    pytest.mark.xdist_group("faults-of-many"),
]

#: How these go wrong is hardly another way here: only long runs walk past them again.
ALIKE = ("gate.checked", "gate.written", "gate.moved", "door.answered")
PUSHED = tuple(each for each in pushes.PUSHED if each not in ALIKE)
#: Met while the manager is away.
AWAY = tuple(failpoints.AWAY_POINTS)


@pytest.fixture(scope="module")
def turning(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Callable[[], Carousel]]:
    """Set a fleet going whenever there is none that goes well."""
    with lending(lambda: Apart(tmp_path_factory.mktemp("many"), docker_api, image)) as lend:
        yield lend


@pytest.fixture
def carousel(turning: Callable[[], Carousel]) -> Carousel:
    """Lend a fleet to one test."""
    return turning()


@pytest.mark.parametrize(
    "point", [*PUSHED, *(pytest.param(each, marks=pytest.mark.long) for each in ALIKE)]
)
def test_a_push_of_everything_over_nats_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    carousel.survive_kill(point)


@pytest.mark.long
@pytest.mark.parametrize("point", failpoints.START_POINTS)
def test_a_start_over_nats_with_work_to_do_survives_a_kill_at(
    point: str, carousel: Carousel
) -> None:
    carousel.survive_kill_at_start(point)


@pytest.mark.long
@pytest.mark.parametrize("point", pushes.QUIET)
def test_a_push_over_nats_that_asks_for_nothing_survives_a_kill_at(
    point: str, carousel: Carousel
) -> None:
    carousel.survive_kill_of_nothing_asked(point)


@pytest.mark.long
@pytest.mark.parametrize("hook", failpoints.HOOK_POINTS)
def test_a_push_of_everything_over_nats_survives_the_death_of(
    hook: str, carousel: Carousel
) -> None:
    carousel.survive_death_of(hook)


@pytest.mark.long
@pytest.mark.parametrize("point", pushes.PUSHED)
def test_a_push_of_everything_over_nats_survives_failures_at(
    point: str, carousel: Carousel
) -> None:
    carousel.survive_failures(point)


def test_a_greeting_over_nats_survives_a_kill(carousel: Carousel) -> None:
    machine = carousel.machine
    assert isinstance(machine, Apart)
    machine.down_agent()
    carousel.ask()
    with carousel.met("contact.synced"):
        machine.up_agent(str(carousel.orders))
        machine.wait_for(lambda: machine.died)
    carousel.come_back()
    carousel.check()


@pytest.mark.parametrize("point", AWAY)
def test_an_agent_without_a_manager_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    machine = carousel.machine
    assert isinstance(machine, Apart)
    machine.down_manager()
    with carousel.met(point):
        machine.api.stop(carousel.bystander(), timeout=5)
        machine.wait_for(lambda: machine.died)
    carousel.come_back()
    carousel.ask()
    carousel.check()


def test_one_failure_after_the_other_is_survived_over_nats(carousel: Carousel) -> None:
    carousel.survive_one_failure_at_each(PUSHED)
