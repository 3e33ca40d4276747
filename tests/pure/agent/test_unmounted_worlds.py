"""Worlds that only a running container shows: not seen is neither there nor gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pure.fleets import NOW
from tests.pure.plans import container, plan_for, planned, see, settled, wanted
from zedops_agent.data_guard import ban, looked_through
from zedops_agent.memory import Memory
from zedops_agent.observed import DataVolume, Phase, Presence
from zedops_agent.remember import remember
from zedops_agent.steps import MakeData
from zedops_agent.volumes import unmounted

AWAY = unmounted("world")
WANT = wanted(created=True, data_expected=True)


def mounted(marker: Presence, content: Presence, *, unmarkable: bool = False) -> DataVolume:
    """Show a volume that a container has mounted."""
    return DataVolume("world", marker, content, own_place=False, by_use=True,
                      unmarkable=unmarkable)


def test_an_unmounted_world_keeps_no_server_down_and_is_not_called_gone() -> None:
    down = see(container(Phase.EXITED, exit_code=0), world=AWAY)
    assert planned(WANT, down) == "start new (stopped outside zedops)"
    assert down.data_exists is None
    assert remember(settled(), WANT, down, NOW).data_seen == ("world",)


@pytest.mark.parametrize(("marker", "holds", "said"), [
    (Presence.PRESENT, True, None),
    (Presence.ABSENT, False, "is gone, or not this server's any more"),
    (Presence.ABSENT, True, "has no marker"),
    (Presence.FOREIGN, True, "holds another server's data"),
    (Presence.PRESENT, False, "is empty and held data before"),
])  # fmt: skip
def test_a_look_through_the_container_decides_about_a_start(
    marker: Presence, holds: bool, said: str | None
) -> None:
    world = looked_through(AWAY, marker, holds=holds)
    banned = ban(WANT, see(container(Phase.EXITED), world=world), settled())
    assert (banned is None) == (said is None)
    assert said is None or said in str(banned and banned.text)


def test_a_share_that_takes_no_marker_is_guarded_by_what_git_knows() -> None:
    memory = Memory(created=True)
    empty = see(world=looked_through(AWAY, Presence.ABSENT, holds=False))
    there = see(world=looked_through(AWAY, Presence.ABSENT, holds=True))
    assert "the data is gone" in str(ban(WANT, empty, memory))
    assert ban(WANT, there, memory) is None
    assert ban(wanted(), empty, memory) is None, "a first start may find it empty"


def test_a_mounted_world_is_marked_once_it_holds_data() -> None:
    unmarked = mounted(Presence.ABSENT, Presence.PRESENT)
    memory = Memory(created=True, goal=WANT.goal, applied=WANT.hash)
    plan = plan_for(WANT, see(container(), world=unmarked), memory)
    assert [type(each) for each in plan.steps] == [MakeData]
    for other in (mounted(Presence.ABSENT, Presence.ABSENT),
                  mounted(Presence.ABSENT, Presence.PRESENT, unmarkable=True)):
        want = WANT.model_copy(update={"data_expected": False})
        assert plan_for(want, see(container(), world=other), memory).steps == ()


def test_a_container_that_began_over_another_share_is_stopped() -> None:
    other = replace(mounted(Presence.ABSENT, Presence.ABSENT), identity=(7, 2))
    seen = see(container(seats=(("world", (7, 2)),)), world=other)
    memory = settled(places={"world": (6, 2)})
    assert planned(WANT, seen, memory).startswith(
        "stop new (it began after the data of volume 'world' was lost)"
    )
