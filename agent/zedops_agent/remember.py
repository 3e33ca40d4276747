"""Adds what a look shows to the memory of a server. Pure; it never forgets that data was there."""

from __future__ import annotations

from datetime import datetime

from zedops.protocol.sync import DesiredServer
from zedops_agent.crashes import count_crashes
from zedops_agent.failures import for_request, in_reach
from zedops_agent.memory import PROVEN_S, Memory, began, matches, process, ran_s
from zedops_agent.observed import Container, DataVolume, Observed, Presence
from zedops_agent.readiness import is_proven, known_ready
from zedops_agent.stops import Stopping


def remember(memory: Memory, want: DesiredServer, seen: Observed, now: datetime) -> Memory:
    """Add one look to memory."""
    mine = [each for each in seen.containers if matches(each, want)]
    current = max(mine, key=lambda each: each.up, default=None)
    memory = for_request(memory, want, now)
    update: dict[str, object] = {}
    held = {each.key for each in seen.volumes if _holds(each)}
    if not held <= set(memory.data_seen):
        update["data_seen"] = tuple(sorted(held | set(memory.data_seen)))
    update |= _know_places(memory, seen, current)
    if current is not None and memory.counted[0] != current.id:
        # the creation of a container for this definition answers its restart, too
        update |= {"created": True, "restart": want.definition.restart}
    if memory.restarting is not None and current is not None:
        begun = memory.restarting
        if current.running and current.started_at != begun.started_at:
            update |= {"restart": begun.token, "restarting": None}
    if memory.stopping is not None and not _goes_on(memory.stopping, seen):
        update["stopping"] = None
    if current is not None:
        if current.started_at is not None and began(memory, current.started_at, now) > now:
            update["ahead"] = (current.started_at, now)
        update |= count_crashes(memory, want, current, now)
        update |= _images(memory, want, current, now)
    update["ready"] = known_ready(memory, want, seen, now)
    proven = [each.id for each in seen.containers if _is_proven(memory, want, each, now)]
    if proven and memory.proven not in proven:
        update["proven"] = proven[0]
    known = memory.model_copy(update=update)
    return known.model_copy(update={"failure": known.failure and in_reach(known.failure, now)})


def _is_proven(memory: Memory, want: DesiredServer, each: Container, now: datetime) -> bool:
    """Say whether a container has proven itself; `ready:` is about the one of this definition."""
    return is_proven(want.definition.ready if matches(each, want) else None, memory, each, now)


def reached(memory: Memory, want: DesiredServer) -> Memory:
    """Record that a server has reached its definition: earlier failures are history."""
    update: dict[str, object] = {
        "goal": want.goal, "applied": want.hash, "failure": None, "created": True,
        "name": want.name,
    }
    if memory.failure is not None and memory.failure.crashed:
        update["crashes"] = ()  # the waits go on growing until the server is stable
    return memory.model_copy(update=update)


def _goes_on(stop: Stopping, seen: Observed) -> bool:
    return any(stop.is_of(each) and each.up for each in seen.containers)


def _images(
    memory: Memory, want: DesiredServer, current: Container, now: datetime
) -> dict[str, object]:
    """Keep the id of the running image; keep the former one until this one has proven itself."""
    if not current.running or not current.image:
        return {}
    ran = {want.definition.image: current.image}
    if ran_s(memory, current, now) < PROVEN_S:
        ran = {**memory.ran, **ran}
    rebuilt = want.definition.rebuild
    known = (ran, rebuilt) == (memory.ran, memory.rebuilt)
    return {} if known else {"ran": ran, "rebuilt": rebuilt}


def _know_places(memory: Memory, seen: Observed, current: Container | None) -> dict[str, object]:
    places = {
        each.key: each.identity for each in seen.volumes
        if each.identity is not None and each.marker is Presence.PRESENT and _holds(each)
    }
    update: dict[str, object] = {}
    if not places.items() <= memory.places.items():
        update["places"] = {**memory.places, **places}
    if current is not None and current.running:
        is_hidden = _is_hidden(current, seen)
        if is_hidden != bool(memory.hidden):
            update["hidden"] = process(current) if is_hidden else ""
    return update


def _is_hidden(current: Container, seen: Observed) -> bool:
    """Say whether a running container's data volume is another directory than its path now is."""
    return any(
        each.marker is Presence.PRESENT and each.identity is not None
        and current.seat(each.key) not in (None, each.identity)
        for each in seen.volumes
    )


def _holds(volume: DataVolume) -> bool:
    """Say whether a volume holds this server's data: a person's own place counts once marked."""
    there = volume.content is Presence.PRESENT
    return there and (volume.own_place or volume.marker is Presence.PRESENT)
