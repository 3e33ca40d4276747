"""A fault at every point that a push passes on its way over NATS: either side dies alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest

from tests.system.apart import Apart
from tests.system.carousel import Carousel, lending
from zedops import faults

pytestmark = [
    pytest.mark.docker, pytest.mark.nats, pytest.mark.system, pytest.mark.timeout(180),
    pytest.mark.xdist_group("faults-of-many"),
]

#: How the gate dies is no other way here.
PUSHED = tuple(
    each for each in faults.POINTS
    if not each.startswith(("gate.", "door.", "hub.seen", "store.memory", "contact.synced"))
)
#: Met while the manager is away.
AWAY = tuple(faults.AWAY_POINTS)


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


@pytest.mark.parametrize("point", PUSHED)
def test_a_push_of_everything_over_nats_survives_a_kill_at(point: str, carousel: Carousel) -> None:
    with carousel.met(point):
        carousel.ask()
        carousel.machine.wait_for(lambda: carousel.machine.died)
    carousel.come_back()
    carousel.walker.push_again()
    carousel.check()


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
        stopped = next(each for each in machine.containers() if each["State"] == "running")
        machine.api.stop(stopped["Id"], timeout=5)
        machine.wait_for(lambda: machine.died)
    carousel.come_back()
    carousel.ask()
    carousel.check()


def test_one_failure_after_the_other_is_survived_over_nats(carousel: Carousel) -> None:
    carousel.orders.write_text("\n".join(f"{each}:{faults.ONCE}" for each in PUSHED))
    carousel.ask()
    for _ in PUSHED:
        carousel.walker.push_again()
    carousel.check()
    assert not carousel.machine.died
