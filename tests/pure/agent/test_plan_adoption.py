"""Taking over what somebody else made, as text: as it is, or not at all, and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pure.fleets import later
from tests.pure.plans import (
    FOREIGN,
    HASH,
    NOTHING,
    UNREADABLE,
    container,
    plan_for,
    see,
    settled,
    text,
    wanted,
)
from zedops.protocol.requests import Mounted, Shape
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Definition, Drift
from zedops_agent.adoption import differences
from zedops_agent.failures import failed
from zedops_agent.memory import Memory
from zedops_agent.observed import Candidate, DataVolume, Observed, Phase, Presence

WANT = wanted(adopt="by-hand")
MATCHING = Candidate("theirs")
#: A world that no marker names yet, in a place of the person's own.
UNMARKED = DataVolume("world", Presence.ABSENT, Presence.PRESENT, own_place=False)
MARKED = DataVolume("world", Presence.PRESENT, Presence.PRESENT, own_place=False)
ADOPTED = container(id="theirs", name="by-hand", adopted=True)
TAKEN = settled(adopted="theirs")


def planned(
    want: DesiredServer, seen: Observed, memory: Memory | None = None, at_s: float = 0
) -> str:
    """Plan for a server that this host has not seen yet, and write it down."""
    return text(plan_for(want, seen, memory or Memory(), later(at_s)))


def meet(candidate: Candidate, world: DataVolume = UNMARKED) -> Observed:
    """Observe a stranger's container and nothing of the server's own."""
    return see(world=world, candidate=candidate)


# --- taken over


def test_a_container_that_is_what_is_asked_for_is_taken_over_and_nothing_is_done_to_it() -> None:
    assert planned(WANT, meet(MATCHING)) == """\
adopt theirs (adopt was asked for)
note: adopted: the container 'by-hand' goes on as it was"""


def test_an_adopted_container_keeps_its_name_and_its_run() -> None:
    assert planned(WANT, see(ADOPTED, world=MARKED), TAKEN) == "nothing"


def test_what_was_adopted_once_is_not_adopted_again_whoever_has_its_name_now() -> None:
    other = Candidate("another", ("image (other:1)",))
    assert planned(WANT, see(ADOPTED, world=MARKED, candidate=other), TAKEN) == "nothing"
    assert planned(WANT, see(world=MARKED, candidate=Candidate("another")), TAKEN) == """\
pull img (the container was gone)
make data (the container was gone)
create f-rosewood (the container was gone)
start f-rosewood (the container was gone)
note: recovered: the container was gone and was made again from the definition"""


def test_an_adoption_that_was_cut_off_after_its_mark_is_done_again() -> None:
    assert planned(WANT, meet(MATCHING, MARKED)).startswith("adopt theirs ")


def test_a_server_that_has_a_container_of_its_own_adopts_nothing() -> None:
    own = see(container(), world=MARKED, candidate=MATCHING)
    assert planned(WANT, own, settled()) == "nothing"


def test_an_adopted_container_lives_like_any_other() -> None:
    stopped = see(replace(ADOPTED, phase=Phase.EXITED), world=MARKED)
    assert planned(WANT, stopped, TAKEN) == "start theirs (stopped outside zedops)"
    report = wanted(adopt="by-hand", drift=Drift.REPORT)
    assert planned(report, stopped, TAKEN) == (
        "note: stopped outside zedops; left so by `drift: report`"
    )
    ask = wanted(adopt="by-hand", restart="now")
    assert planned(ask, see(ADOPTED, world=MARKED), TAKEN) == (
        "restart theirs (restart was asked for)"
    )


def test_an_adopted_container_is_stopped_and_deleted_like_any_other() -> None:
    seen = see(ADOPTED, world=MARKED)
    assert planned(wanted(Goal.STOPPED, adopt="by-hand"), seen, TAKEN) == (
        "stop theirs (desired: stopped)"
    )
    assert planned(wanted(Goal.DELETED, adopt="by-hand"), seen, TAKEN) == """\
stop theirs (the definition was removed)
remove theirs (the definition was removed)"""


def test_a_server_that_is_to_be_stopped_is_adopted_first() -> None:
    want = wanted(Goal.STOPPED, adopt="by-hand")
    assert planned(want, meet(MATCHING)).startswith("adopt theirs ")


def test_a_change_replaces_an_adopted_container_like_any_other_and_keeps_it_until_proven() -> None:
    changed = replace(ADOPTED, definition="adopted")
    assert planned(WANT, see(changed, world=MARKED), TAKEN) == """\
pull img (the definition changed)
make data (the definition changed)
create f-rosewood.next (the definition changed)
stop theirs (the definition changed)
rename theirs to f-rosewood-previous (the definition changed)
rename f-rosewood.next to f-rosewood (the definition changed)
start f-rosewood (the definition changed)"""


# --- refused


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"image": "img:2"}, "image (img:2)"),
        ({"command": ("serve",)}, "command"),
        ({"env": {"GREET": "eve"}}, "env.GREET"),
        ({"env": {}}, "env.GREET"),
        ({"env": {"GREET": "ada", "MORE": "1"}}, "env.MORE"),
        ({"ports": (("", 8080, 8080, "tcp"),)}, "ports"),
        ({"ports": ()}, "ports"),
        ({"mounts": ()}, "volumes.world"),
        ({"mounts": (Mounted(source="/opt/pz", target="/data", read_only=True),)},
         "volumes.world"),
        ({"mounts": (Mounted(source="/opt/other", target="/data"),)},
         "volumes.world (/opt/other)"),
        ({"user": "1000"}, "user"),
        ({"networks": ("lan",)}, "networks"),
        ({"cap_add": ("NET_ADMIN",)}, "cap_add"),
        ({"image": "img:2", "user": "0"}, "image (img:2), user"),
    ],
)
def test_a_container_that_differs_is_left_alone_and_what_differs_is_said(
    facts: dict[str, Any], said: str
) -> None:
    definition = Definition.model_validate({
        "image": "img", "adopt": "by-hand", "env": {"GREET": "ada"}, "ports": {"web": "8081:80"},
        "volumes": {"world": {"path": "/data", "source": "/opt/pz"}},
    })  # fmt: skip
    shape = Shape(
        id="theirs", name="by-hand", image="img", running=True, env={"GREET": "ada"},
        ports=(("", 8081, 80, "tcp"),), mounts=(Mounted(source="/opt/pz", target="/data"),),
    )  # fmt: skip
    places = {"world": Path("/opt/pz")}
    assert differences(shape, definition, places) == ()
    found = differences(shape.model_copy(update=facts), definition, places)
    assert planned(WANT, meet(Candidate("theirs", found))) == (
        f"refused: container 'by-hand' differs from the definition: {said}; correct the definition"
        " (`zedops import by-hand --print`), or remove that one\nagain in 60 s"
    )


def test_the_container_of_a_fleet_is_not_for_another_one_to_take() -> None:
    assert planned(WANT, meet(Candidate("theirs", owner="other"))) == (
        "refused: container 'by-hand' is of fleet 'other'; see `zedops orphans`\nagain in 60 s"
    )


def test_a_container_that_is_not_there_is_not_made_up() -> None:
    assert planned(WANT, meet(Candidate(None), NOTHING)) == (
        "refused: there is no container 'by-hand' on this host; correct `adopt:`, or remove it to"
        " have a new one made\nagain in 60 s"
    )


def test_a_server_that_once_was_is_made_anew_without_the_container_it_came_from() -> None:
    want = wanted(adopt="by-hand", created=True, data_expected=True)
    assert planned(want, meet(Candidate(None), MARKED)).splitlines()[0] == (
        "pull img (the container was gone)"
    )


@pytest.mark.parametrize("world", [FOREIGN, UNREADABLE])
def test_a_world_that_is_anothers_or_cannot_be_seen_is_not_taken_over(world: DataVolume) -> None:
    assert "adopt" not in planned(WANT, meet(MATCHING, world))


def test_what_the_hosts_owner_forbids_is_tried_again_with_patience_and_nothing_is_made() -> None:
    said = "volume 'world': /opt/pz is not among what this host lets fleets use"
    memory = failed(Memory(), WANT, said, later(0), retry=True)
    assert planned(WANT, meet(MATCHING), memory) == "again in 1 s"
    assert planned(WANT, meet(MATCHING), memory, 10).startswith("adopt theirs ")


def test_an_adoption_that_could_cost_data_waits_for_a_new_commit() -> None:
    memory = failed(Memory(), WANT, "marked as another server's", later(0), retry=False)
    assert planned(WANT, meet(MATCHING), memory) == "nothing"
    newer = WANT.model_copy(update={"hash": HASH + "er"})
    assert planned(newer, meet(MATCHING), memory).startswith("adopt theirs ")


def test_an_adopted_container_is_whole_whatever_it_is_called() -> None:
    called = replace(ADOPTED, name="by-hand.next", phase=Phase.CREATED)
    assert planned(WANT, see(called), TAKEN) == "start theirs (desired: running)"
