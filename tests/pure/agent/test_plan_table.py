"""What the agent does next, as text: every row of the lifecycle's table, every way to drift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pure.fleets import NOW
from tests.pure.plans import (
    EMPTY,
    FOREIGN,
    NOTHING,
    THERE,
    UNREADABLE,
    container,
    old,
    planned,
    see,
    settled,
    wanted,
)
from zedops.protocol.sync import Goal
from zedops.spec.model import Drift
from zedops_agent.memory import Memory
from zedops_agent.observed import LIFTED, Ceilings, DataVolume, Observed, Phase, Presence

STOPPED = wanted(Goal.STOPPED)
CREATED = wanted(created=True, data_expected=True)
REPORT = wanted(created=True, data_expected=True, drift=Drift.REPORT)
UNSEEN = "volume 'world': cannot look at /d: Stale file handle"
WAYS = "put it back, or let it go with `zedops purge rosewood --data`"


# --- running


def test_a_new_server_is_made_and_started() -> None:
    assert planned(wanted(), see(world=NOTHING), Memory()) == """\
pull img (new server)
make data (new server)
create f-rosewood (new server)
start f-rosewood (new server)"""


def test_a_new_server_that_is_to_be_stopped_is_made_and_not_started() -> None:
    assert planned(STOPPED, see(world=NOTHING), Memory()) == """\
pull img (new server)
make data (new server)
create f-rosewood (new server)"""


def test_a_server_that_runs_is_left_alone() -> None:
    assert planned(wanted(), see(container())) == "nothing"


def test_a_server_between_two_crashes_is_left_to_the_engine() -> None:
    assert planned(wanted(), see(container(Phase.RESTARTING))) == "nothing"


def test_a_container_that_was_made_and_never_started_is_started() -> None:
    seen = see(container(Phase.CREATED, started_at=None), world=EMPTY)
    assert planned(wanted(), seen, Memory()) == "start new (desired: running)"


def test_a_container_that_was_stopped_by_hand_is_started() -> None:
    assert planned(wanted(), see(container(Phase.EXITED))) == "start new (stopped outside zedops)"


def test_a_container_that_was_stopped_by_hand_is_left_so_where_drift_is_only_reported() -> None:
    assert planned(REPORT, see(container(Phase.EXITED)), settled(REPORT)) == (
        "note: stopped outside zedops; left so by `drift: report`"
    )


def test_a_stopped_server_starts_on_request_also_where_drift_is_only_reported() -> None:
    was_stopped = settled(REPORT.model_copy(update={"goal": Goal.STOPPED}))
    assert planned(REPORT, see(container(Phase.EXITED)), was_stopped) == (
        "start new (desired: running)"
    )


def test_a_paused_container_goes_on() -> None:
    assert planned(wanted(), see(container(Phase.PAUSED))) == """\
unpause new (paused outside zedops)
note: recovered: it was paused outside zedops and goes on"""
    assert planned(REPORT, see(container(Phase.PAUSED)), settled(REPORT)) == (
        "note: paused outside zedops; left so by `drift: report`"
    )


def test_a_container_that_was_removed_is_made_anew_from_the_definition() -> None:
    assert planned(CREATED, see()) == """\
pull img (the container was gone)
make data (the container was gone)
create f-rosewood (the container was gone)
start f-rosewood (the container was gone)
note: recovered: the container was gone and was made again from the definition"""


def test_a_container_that_was_removed_stays_so_where_drift_is_only_reported() -> None:
    assert planned(REPORT, see(), settled(REPORT)) == (
        "note: removed outside zedops; left so by `drift: report`"
    )


@pytest.mark.parametrize("phase", [Phase.REMOVING, Phase.DEAD])
def test_a_container_that_is_being_removed_is_waited_for(phase: Phase) -> None:
    assert planned(wanted(), see(container(phase))) == "again in 1 s"


def test_a_container_with_another_name_gets_its_own() -> None:
    renamed = see(container(name="f-old"))
    assert planned(wanted(), renamed, settled(name="old")) == "rename new to f-rosewood (renamed)"
    assert planned(wanted(), renamed) == """\
rename new to f-rosewood (renamed)
note: recovered: it was renamed outside zedops and has its name again"""


NETWORK = wanted(networks=("games",))


def test_a_container_that_was_taken_out_of_its_network_is_in_it_again() -> None:
    out = replace(see(container()), networks={"games": "1a"})
    said = "it was taken out of the network games outside zedops"
    assert planned(NETWORK, out) == (
        "join new to games (taken out of it outside zedops)\n"
        f"note: recovered: {said} and is in it again"
    )
    reports = NETWORK.model_copy(update={"drift": Drift.REPORT})
    assert planned(reports, out) == f"note: {said}; left so by `drift: report`"
    inside = see(container(networks=frozenset({("games", "1a")})))
    assert planned(NETWORK, inside) == "nothing"


def test_a_network_that_was_made_again_is_joined_before_the_start() -> None:
    was = container(Phase.EXITED, networks=frozenset({("games", "1a")}))
    assert planned(NETWORK, replace(see(was), networks={"games": "2b"})) == """\
join new to games (the network was made again)
start new (stopped outside zedops)"""
    assert planned(NETWORK, replace(see(was), networks={"games": "1a"})) == (
        "start new (stopped outside zedops)"
    )


def test_a_memory_limit_that_nobody_asked_for_is_lifted() -> None:
    limited = container(ceilings=Ceilings(64 << 20, 0, 512, "unless-stopped"))
    plan = planned(wanted(), see(limited))
    assert f"memory_bytes={LIFTED}" in plan
    assert "limits were changed outside zedops and are set back" in plan
    assert planned(wanted(), see(replace(limited, adopted=True))) == "nothing"


def test_a_young_server_is_watched_for_the_first_data_that_it_writes() -> None:
    young = see(container(started_at=NOW), world=EMPTY)
    assert planned(wanted(), young, Memory(), 5) == "again in 7 s"
    assert planned(wanted(), young, Memory(), 61) == "nothing"


# --- data


@pytest.mark.parametrize("container_there", [True, False])
@pytest.mark.parametrize("drift", list(Drift))
def test_a_lost_world_is_never_started_nor_made_anew(drift: Drift, container_there: bool) -> None:
    want = wanted(created=True, data_expected=True, drift=drift)
    containers = [container(Phase.EXITED)] if container_there else []
    assert planned(want, see(*containers, world=EMPTY)) == (
        f"lost: volume 'world' is empty and held data before; {WAYS}"
    )
    assert planned(want, see(*containers, world=NOTHING)) == (
        f"lost: volume 'world' is gone, or not this server's any more; {WAYS}"
    )


def test_a_lost_world_is_known_as_lost_also_on_a_host_without_a_memory_of_it() -> None:
    assert planned(CREATED, see(world=NOTHING), Memory()) == f"lost: the data is gone; {WAYS}"


def test_a_world_from_another_host_is_waited_for_until_all_of_it_is_there() -> None:
    want = wanted(data_expected=True, moved_from="cellar")
    place = f"bring servers/{want.id} of its data root over, with the hidden files in it"
    lost = f"lost: volume 'world' is not here yet; it was on host 'cellar': {place}"
    unmarked = replace(THERE, marker=Presence.ABSENT)
    for world in (NOTHING, unmarked):
        assert planned(want, see(world=world), Memory()) == lost
    half = replace(see(), volumes=(replace(THERE, key="mods"), NOTHING))
    assert planned(want, half, Memory()) == lost
    assert planned(want, see(world=UNREADABLE), Memory()) == f"refused: {UNSEEN}"
    assert planned(want, see(), Memory()).splitlines()[0].startswith("pull")
    there = want.model_copy(update={"created": True})
    assert planned(there, half, Memory()) == lost  # on a host that the fleet gave up
    assert planned(there, see(container()), settled(there)) == "nothing"


def test_the_world_of_another_server_is_never_touched() -> None:
    for memory in (Memory(), settled()):
        assert planned(wanted(), see(world=FOREIGN), memory) == (
            f"lost: volume 'world' holds another server's data; {WAYS}"
        )


def test_a_world_that_cannot_be_looked_at_is_neither_there_nor_gone() -> None:
    for seen in (see(world=UNREADABLE), see(container(Phase.EXITED), world=UNREADABLE)):
        assert planned(CREATED, seen) == f"refused: {UNSEEN}"
    assert planned(CREATED, see(container(), world=UNREADABLE)) == f"note: {UNSEEN}"
    assert planned(STOPPED, see(container(Phase.EXITED), world=UNREADABLE)) == f"note: {UNSEEN}"


def test_a_lost_world_does_not_keep_a_server_from_being_stopped_or_deleted() -> None:
    lost = see(container(), world=NOTHING)
    assert planned(STOPPED, lost).splitlines()[0] == "stop new (desired: stopped)"
    assert planned(wanted(Goal.DELETED), lost).splitlines()[0] == (
        "stop new (the definition was removed)"
    )


def test_a_definition_that_changed_does_not_replace_a_container_whose_world_is_lost() -> None:
    assert planned(CREATED, see(old(), world=EMPTY)).startswith("lost: ")


def test_a_second_volume_that_is_new_does_not_count_as_lost() -> None:
    more = DataVolume("maps", Presence.ABSENT, Presence.ABSENT)
    seen = Observed((old(),), (see().volumes[0], more))
    assert planned(CREATED, seen).splitlines()[0] == "pull img (the definition changed)"


# --- stopped, deleted, restored


def test_a_server_that_is_to_be_stopped_is_stopped() -> None:
    for phase in (Phase.RUNNING, Phase.PAUSED, Phase.RESTARTING):
        assert planned(STOPPED, see(container(phase))) == "stop new (desired: stopped)"
    assert planned(STOPPED, see(container(Phase.EXITED))) == "nothing"


def test_a_stopped_server_that_was_started_by_hand_is_stopped_again() -> None:
    assert planned(STOPPED, see(container()), settled(STOPPED)) == "stop new (desired: stopped)"


def test_a_deleted_server_loses_its_containers_and_no_data() -> None:
    deleted = wanted(Goal.DELETED)
    assert planned(deleted, see(container(), old(Phase.EXITED))) == """\
stop new (the definition was removed)
remove new (the definition was removed)
remove old (the definition was removed)"""
    assert planned(deleted, see()) == "nothing"
    assert planned(deleted, see(container(Phase.REMOVING))) == "nothing"


def test_a_restored_server_is_made_again_with_its_data() -> None:
    memory = settled(wanted(Goal.DELETED))
    assert planned(CREATED, see(), memory) == """\
pull img (restored)
make data (restored)
create f-rosewood (restored)
start f-rosewood (restored)"""


def test_a_restored_server_whose_data_is_gone_is_not_made_again() -> None:
    assert planned(CREATED, see(world=NOTHING), settled(wanted(Goal.DELETED))).startswith("lost: ")
