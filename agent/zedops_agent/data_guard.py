"""Forbids the start of a server that had a world and has lost it, even on request.

This is the first of the two rules that outrank all others (`plan` has the second one). A world that
the agent cannot look at is neither there nor gone: the agent waits until it can see the world.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zedops.protocol.sync import DesiredServer
from zedops_agent.memory import Memory
from zedops_agent.observed import Container, DataVolume, Observed, Presence


@dataclass(frozen=True)
class Ban:
    """Why a server may not be started."""

    text: str
    is_lost: bool  #: False: the agent could not look at the data


def ban(want: DesiredServer, seen: Observed, memory: Memory) -> Ban | None:
    """Return the reason that forbids a start of this server, or None."""
    if seen.root_gone is not None:
        return Ban(seen.root_gone, is_lost=not seen.root_unseen)
    if said := _not_here_yet(want, seen, memory):
        return Ban(said, is_lost=True)
    ways = f"put it back, or let it go with `zedops purge {want.name} --data`"
    for volume in seen.volumes:
        if volume.unmounted:
            continue  # a start looks first, through the container (`looked_through`)
        if Presence.UNKNOWN in (volume.marker, volume.content):
            return Ban(f"volume {volume.key!r}: {volume.trouble}", is_lost=False)
        if volume.marker is Presence.FOREIGN:
            own = ways if volume.own_place else "give this server its own `source:`"
            return Ban(f"volume {volume.key!r} holds another server's data; {own}", is_lost=True)
        if volume.key in memory.data_seen and (said := _lost(volume, want, memory, ways)):
            return Ban(said, is_lost=True)
    if want.data_expected and seen.volumes and seen.data_exists is False:
        return Ban(f"the data is gone; {ways}", is_lost=True)
    return None


def looked_through(volume: DataVolume, marker: Presence, *, holds: bool) -> DataVolume:
    """Add to an unmounted volume what a look through its container has shown."""
    content = Presence.PRESENT if holds else Presence.ABSENT
    return replace(volume, marker=marker, content=content, unmounted=False)


def _lost(volume: DataVolume, want: DesiredServer, memory: Memory, ways: str) -> str | None:
    """Say how a volume that held data has lost it; None if it has not."""
    if volume.marker is Presence.ABSENT and volume.content is Presence.PRESENT:
        if volume.identity is not None and memory.places.get(volume.key) == volume.identity:
            marker = f'.zedops.json with {{"id": "{want.id}"}}'
            return f"volume {volume.key!r} lacks its marker; if it is the one, add {marker}"
        fact = f"volume {volume.key!r} has no marker and may be another directory than before"
        return f"{fact}; mount its disk, {ways}"
    if volume.marker is Presence.ABSENT:
        return f"volume {volume.key!r} is gone, or not this server's any more; {ways}"
    if volume.content is Presence.ABSENT:
        return f"volume {volume.key!r} is empty and held data before; {ways}"
    return None


def began_over_nothing(current: Container, seen: Observed, memory: Memory) -> str | None:
    """Name a volume that lost its world before this process began: the process writes to another.

    A process from before the loss still has the old directory, and may go on. So may a process
    with its old directory that a person has emptied.
    """
    for volume in seen.volumes:
        unmarked = volume.marker in (Presence.ABSENT, Presence.FOREIGN)
        held = volume.key in memory.data_seen
        on_it = volume.identity is not None and current.seat(volume.key) == volume.identity
        if held and unmarked and on_it and memory.places.get(volume.key) != volume.identity:
            return volume.key
    return None


def _not_here_yet(want: DesiredServer, seen: Observed, memory: Memory) -> str | None:
    """Name the data of a server from another host that is not here yet: all of it must be.

    A mark that zedops has made the data before proves nothing: that may have been on that host.
    """
    origin = want.definition.moved_from
    if origin is None or memory.created or not want.data_expected:
        return None
    away = [each.key for each in seen.volumes if each.marker is Presence.ABSENT]
    if not away or Presence.UNKNOWN in (each.marker for each in seen.volumes):
        return None
    place = f"bring servers/{want.id} of its data root over, with the hidden files in it"
    return f"volume {away[0]!r} is not here yet; it was on host {origin!r}: {place}"
