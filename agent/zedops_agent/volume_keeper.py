"""Makes, checks and removes named volumes with a driver, and looks into one before a start.

`named_volumes` has the rules. What the driver mounts (a share, a disk) is never changed, but for
the marker in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from zedops.errors import DataAtRisk
from zedops.protocol.sync import DesiredServer
from zedops.system import failpoints
from zedops_agent import markers, named_volumes
from zedops_agent.data_guard import ban, looked_through
from zedops_agent.data_places import DataPlaces
from zedops_agent.engine.volumes import EngineVolumes
from zedops_agent.memory import Memory
from zedops_agent.observed import DataVolume, Observed, Presence

log = logging.getLogger(__name__)


class VolumeKeeper:
    """The named volumes with a driver, of one fleet on this host."""

    def __init__(self, places: DataPlaces, engine: EngineVolumes, hub: Callable[[], str]) -> None:
        self._places, self._engine, self._hub = places, engine, hub

    def make(self, want: DesiredServer) -> None:
        """Make the missing volumes. Raises EngineFailed for one with other options."""
        for key, (volume, driven) in named_volumes.driven_volumes(want).items():
            name = str(volume.source)
            found = self._engine.find(name)
            if found is None:
                log.info("%s: making volume %s", want.name, name, extra={"server": want.name})
                labels = named_volumes.labels(self._places.fleet, self._hub(), want, key)
                found = self._engine.make(name, driven, labels)
            named_volumes.check_same(key, driven, found)
            self._places.keep(found)

    def check(self, want: DesiredServer) -> None:
        """Check that each volume is still the one that the definition asks for."""
        for key, (volume, driven) in named_volumes.driven_volumes(want).items():
            if (found := self._engine.find(str(volume.source))) is not None:
                named_volumes.check_same(key, driven, found)

    def look_through(
        self, container: str, want: DesiredServer, seen: Observed, memory: Memory
    ) -> None:
        """Look into the unmounted volumes of a container before its start.

        Raises DataAtRisk if the world of one is lost, or another server's; EngineFailed if the
        Engine cannot mount it.
        """
        volumes = self._places.look(want)
        if not any(each.unmounted for each in volumes):
            return
        shown = tuple(
            self._through(container, want, each) if each.unmounted else each for each in volumes
        )
        now = Observed(seen.containers, shown, seen.home)
        if (banned := ban(want, now, memory)) is not None:
            raise DataAtRisk(banned.text)

    def _through(self, container: str, want: DesiredServer, volume: DataVolume) -> DataVolume:
        path = want.definition.volumes[volume.key].path
        marker, holds = self._engine.peek(container, path)
        named = Presence.ABSENT
        if marker is not None:
            named = markers.names(marker, self._places.owner(want))
        return looked_through(volume, named, holds=holds)

    def remove(self, want: DesiredServer) -> None:
        """Remove the Engine's entries of the volumes that zedops made for a server.

        What their drivers mount stays as it is, with the marker in it.
        """
        fleet = self._places.fleet
        for key, volume in want.definition.volumes.items():
            if volume.driven is None:
                continue
            found = self._engine.find(str(volume.source))
            if found is not None and named_volumes.is_removable(found, fleet, want.id):
                self._engine.remove(found.name)
                failpoints.point("purge.volume")
                said = "removed volume %s of %s; what it mounted stays"
                log.info(said, found.name, key, extra={"server": want.name})

