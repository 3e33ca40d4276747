"""What forbids starting a server, whatever is asked for: its world was there and is not any more.

The first of the two rules that outrank all others (the second one is in `plan`). A world that
could not be looked at is neither there nor gone: nothing is done until it can be seen.
"""

from __future__ import annotations

from zedops.wire import DesiredServer
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed, Presence


def lost_world(want: DesiredServer, seen: Observed, memory: Memory) -> str | None:
    """Say what forbids starting this server, or None. The empty text means: could not look."""
    ways = f"put it back, or let it go with `zedops purge {want.name} --data`"
    if said := _not_here_yet(want, seen, memory):
        return said
    for volume in seen.volumes:
        if volume.marker is Presence.FOREIGN:
            return f"volume {volume.key!r} holds another server's data; {ways}"
        if Presence.UNKNOWN in (volume.marker, volume.content):
            return ""
        if volume.key in memory.data_seen:
            if volume.marker is Presence.ABSENT and volume.content is Presence.PRESENT:
                marker = f'.zedops.json with {{"id": "{want.id}"}}'
                return f"volume {volume.key!r} lacks its marker; if it is the one, add {marker}"
            if volume.marker is Presence.ABSENT:
                return f"volume {volume.key!r} is gone, or not this server's any more; {ways}"
            if volume.content is Presence.ABSENT:
                return f"volume {volume.key!r} is empty and held data before; {ways}"
    if want.data_expected and seen.volumes and not seen.data_exists:
        return f"the data is gone; {ways}"
    return None


def _not_here_yet(want: DesiredServer, seen: Observed, memory: Memory) -> str | None:
    """Say which data of a server from another host is not here yet: all of it has to be.

    Whether it was made before says nothing: that may have been over there.
    """
    origin = want.definition.moved_from
    if origin is None or memory.created or not want.data_expected:
        return None
    away = [each.key for each in seen.volumes if each.marker is Presence.ABSENT]
    if not away or Presence.UNKNOWN in (each.marker for each in seen.volumes):
        return None
    place = f"bring servers/{want.id} of its data root over, with the hidden files in it"
    return f"volume {away[0]!r} is not here yet; it was on host {origin!r}: {place}"
