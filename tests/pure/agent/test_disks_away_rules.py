"""What the agent does while a disk is away, and once it is back, as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.pure.fleets import NOW
from tests.pure.plans import (
    EMPTY,
    NOTHING,
    THERE,
    UNREADABLE,
    container,
    planned,
    see,
    settled,
    wanted,
)
from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.model import Definition, Drift
from zedops_agent.container_spec import RESTART_POLICY, RESTARTED_BY_AGENT, ceilings, restart_policy
from zedops_agent.memory import Memory
from zedops_agent.observed import Ceilings, Container, DataVolume, Phase, Presence
from zedops_agent.remember import remember

BEFORE, BARE = (8, 100), (8, 2)
WAYS = "put it back, or let it go with `zedops purge rosewood --data`"
GONE = "data root: /d is empty; is its disk mounted? zedops starts nothing until it is back"
UNSEEN = "cannot look at /d: Stale file handle; see to its disk"
MOVED = "it writes to a directory that is no longer the one of its volume"


def sourced(**facts: Any) -> DesiredServer:
    """Ask for a server whose world is where the person says."""
    want = wanted(**facts)
    volumes = {"world": {"path": "/data", "source": "/mnt/world"}}
    made = Definition(image="img", volumes=volumes)  # type: ignore[arg-type]
    return want.model_copy(update={"definition": made})


def at(place: tuple[int, int], world: DataVolume = THERE) -> DataVolume:
    """Show the world in a directory."""
    return replace(world, identity=place)


def sitting(place: tuple[int, int] | None, **facts: Any) -> Container:
    """Show the container on a directory."""
    return container(seats=() if place is None else (("world", place),), **facts)


def known() -> Memory:
    """Remember a world that was in its directory."""
    return remember(settled(), wanted(), see(sitting(BEFORE), world=at(BEFORE)), NOW)


def test_a_data_root_that_is_gone_stops_whatever_would_be_made_or_started() -> None:
    for phase in (None, Phase.EXITED, Phase.CREATED, Phase.RUNNING):
        containers = [container(phase)] if phase else []
        seen = replace(see(*containers, world=NOTHING), root_gone=GONE)
        assert planned(wanted(), seen) == f"lost: {GONE}"
        assert planned(wanted(), seen, Memory()) == f"lost: {GONE}"


def test_a_data_root_that_is_gone_keeps_no_server_from_being_stopped_or_deleted() -> None:
    seen = replace(see(container(), world=NOTHING), root_gone=GONE)
    stop = planned(wanted(Goal.STOPPED), seen)
    assert stop == f"stop new (desired: stopped)\nlost: {GONE}"
    cause = "the definition was removed"
    assert planned(wanted(Goal.DELETED), seen) == f"stop new ({cause})\nremove new ({cause})"


def test_a_data_root_that_cannot_be_looked_at_is_not_lost() -> None:
    for phase, how in ((Phase.EXITED, "refused"), (Phase.RUNNING, "note")):
        seen = replace(see(container(phase), world=UNREADABLE), root_gone=UNSEEN, root_unseen=True)
        assert planned(wanted(), seen) == f"{how}: {UNSEEN}"
    seen = replace(see(world=UNREADABLE), root_gone=UNSEEN, root_unseen=True)
    assert planned(wanted(), seen, Memory()) == f"refused: {UNSEEN}"
    assert planned(wanted(Goal.PURGED), seen) == f"refused: {UNSEEN}"


def test_a_purge_is_not_over_while_the_data_root_is_gone() -> None:
    seen = replace(see(world=NOTHING), root_gone=GONE, home=Presence.UNKNOWN)
    assert planned(wanted(Goal.PURGED), seen) == f"refused: {GONE}"


def test_a_process_that_began_over_a_bare_mount_point_is_ended() -> None:
    seen = see(sitting(BARE), world=at(BARE, NOTHING))
    lost = f"volume 'world' is gone, or not this server's any more; {WAYS}"
    assert planned(wanted(), seen, known()) == (
        f"stop new (it began after the data of volume 'world' was lost)\nlost: {lost}"
    )


def test_what_began_over_a_bare_mount_point_is_ended_also_after_it_wrote_a_world_there() -> None:
    seen = see(sitting(BARE), world=at(BARE, replace(THERE, marker=Presence.ABSENT)))
    plan = planned(wanted(), seen, known())
    assert plan.startswith("stop new (it began after the data")
    assert "add .zedops.json" not in plan


def test_a_process_from_before_the_loss_has_its_world_still_and_goes_on() -> None:
    lost = f"lost: volume 'world' is gone, or not this server's any more; {WAYS}"
    for seat in (BEFORE, None):
        assert planned(wanted(), see(sitting(seat), world=at(BARE, NOTHING)), known()) == lost
    emptied = see(sitting(BEFORE), world=at(BEFORE, NOTHING))
    assert planned(wanted(), emptied, known()) == lost


def test_only_the_very_directory_that_lost_its_marker_may_be_marked_by_hand() -> None:
    unmarked = replace(THERE, marker=Presence.ABSENT)
    same = planned(wanted(), see(world=at(BEFORE, unmarked)), known())
    assert "lacks its marker; if it is the one, add .zedops.json" in same
    other = planned(wanted(), see(world=at(BARE, unmarked)), known())
    assert other == (
        "lost: volume 'world' has no marker and may be another directory than before;"
        f" mount its disk, {WAYS}"
    )


def test_a_container_on_a_hidden_directory_gets_the_one_that_is_back() -> None:
    seen = see(sitting(BARE), world=at(BEFORE))
    memory = remember(known(), wanted(), seen, NOW)
    assert planned(wanted(), seen, memory) == (
        f"make data ({MOVED})\nstop new ({MOVED})\nstart new ({MOVED})"
    )


def test_a_container_that_shows_another_directory_again_is_not_restarted_for_ever() -> None:
    first = see(sitting(BARE), world=at(BEFORE))
    memory = remember(known(), wanted(), first, NOW)
    again = see(sitting(BARE, started_at=NOW), world=at(BEFORE))
    memory = remember(memory, wanted(), again, NOW)
    assert planned(wanted(), again, memory) == "nothing"
    # until it was seen to have the right one: then it may lose it another time
    memory = remember(memory, wanted(), see(sitting(BEFORE), world=at(BEFORE)), NOW)
    memory = remember(memory, wanted(), first, NOW)
    assert planned(wanted(), first, memory).startswith("make data")


def test_a_container_that_cannot_be_seen_into_is_left_alone() -> None:
    seen = see(sitting(None), world=at(BEFORE))
    assert planned(wanted(), seen, remember(known(), wanted(), seen, NOW)) == "nothing"


def test_the_engine_restarts_only_what_it_cannot_start_over_nothing() -> None:
    own, mounted = at(BEFORE), replace(at(BEFORE), may_vanish=True)
    assert restart_policy(wanted().definition, [own]) == RESTART_POLICY
    assert restart_policy(wanted().definition, [mounted]) == RESTARTED_BY_AGENT
    assert restart_policy(sourced().definition, []) == RESTARTED_BY_AGENT


def shown(policy: str) -> Ceilings:
    """Show a container's limits with a restart policy."""
    return ceilings(sourced().definition, policy)


def test_a_container_that_the_engine_could_start_over_nothing_is_taken_from_it() -> None:
    cause = "the Engine must not start it by itself: its disk may be away"
    update = f"update new to {shown(RESTARTED_BY_AGENT)} ({cause})"
    left = container(ceilings=shown(RESTART_POLICY))
    for drift in Drift:
        assert planned(sourced(drift=drift), see(left)) == update
    lost = planned(sourced(), see(replace(left, phase=Phase.EXITED), world=EMPTY))
    assert lost.splitlines()[0] == update
    assert planned(sourced(), see(replace(left, ceilings=shown(RESTARTED_BY_AGENT)))) == "nothing"


def test_a_container_that_its_host_forbids_runs_on_and_is_taken_from_the_engine() -> None:
    cause = "the Engine must not start it by itself: its host does not allow it"
    left = container(ceilings=shown(RESTART_POLICY))
    for drift in Drift:
        assert planned(wanted(drift=drift), replace(see(left), forbidden="no")) == (
            f"update new to {shown(RESTARTED_BY_AGENT)} ({cause})\n"
            "note: it runs on, and is not started again: no"
        )
    taken = see(replace(left, ceilings=shown(RESTARTED_BY_AGENT)))
    assert planned(wanted(), replace(taken, forbidden="no")) == (
        "note: it runs on, and is not started again: no"
    )
    assert planned(wanted(), taken) == (
        f"update new to {shown(RESTART_POLICY)} (the Engine may start it by itself again)"
    )


def test_an_adopted_container_gets_its_limits_without_a_word_of_others() -> None:
    adopted = container(adopted=True, ceilings=replace(shown(RESTART_POLICY), pids=0))
    plan = planned(wanted(adopt="by-hand"), see(adopted), settled(adopted=adopted.id))
    assert "an adopted container gets its definition's limits" in plan
    assert "note" not in plan


def test_what_only_the_agent_starts_comes_back_after_a_reboot_whatever_drift_says() -> None:
    ended = container(Phase.EXITED, ceilings=shown(RESTARTED_BY_AGENT))
    for drift in Drift:
        want = sourced(created=True, data_expected=True, drift=drift)
        assert planned(want, see(ended), settled(want)).startswith("start new (")


def test_the_marker_goes_inside_once_there_is_data() -> None:
    beside = replace(THERE, beside=True)
    assert planned(wanted(), see(container(), world=beside)) == (
        "make data (it holds its first data)"
    )
    empty = see(container(started_at=NOW), world=replace(EMPTY, beside=True))
    assert planned(wanted(), empty, Memory(), 1) == "again in 3 s"


def test_data_that_cannot_be_looked_at_is_neither_lost_nor_marked() -> None:
    memory = remember(known(), wanted(), see(container(), world=UNREADABLE), NOW)
    assert memory.places == {"world": BEFORE}
    assert planned(wanted(), see(container(), world=UNREADABLE), memory).startswith("note: ")


def test_places_follow_a_disk_that_has_another_number_after_a_boot() -> None:
    seen = see(sitting((9, 100)), world=at((9, 100)))
    memory = remember(known(), wanted(), seen, NOW + timedelta(days=1))
    assert memory.places == {"world": (9, 100)}
