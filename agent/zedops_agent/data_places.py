"""Knows where a server's data is on this host, and looks at it. It makes and removes nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.volume import Volume, VolumeKind
from zedops.spec.volume_drivers import LOCAL, Driven
from zedops_agent import mounts, volumes
from zedops_agent.engine.volumes import EngineVolumes
from zedops_agent.knock import Knocks
from zedops_agent.markers import Owner
from zedops_agent.named_volumes import NamedVolume
from zedops_agent.observed import DataVolume


class DataPlaces:
    """The places of one fleet's data: below the data root, in a named volume, or elsewhere."""

    def __init__(self, fleet: str, root: Path, engine: EngineVolumes) -> None:
        self.fleet, self._root, self._engine = fleet, root, engine
        self._named: dict[str, NamedVolume] = {}
        #: Volumes that forbid a marker, by server and key.
        self._unmarkable: set[tuple[str, str]] = set()
        self._knocks = Knocks()

    def home(self, server_id: str) -> Path:
        """Say where a server's volumes are."""
        return volumes.home_path(self._root, server_id)

    def of(self, want: DesiredServer) -> dict[str, Path | None]:
        """Say where each volume of a server is on this host."""
        return {
            key: self._place(volume) if volume.source
            else volumes.volume_path(self._root, want.id, key)
            for key, volume in want.definition.volumes.items()
        }

    def resolved(self, want: DesiredServer) -> dict[str, str]:
        """Resolve the links of each volume's path: a link in a `source:` may change later."""
        asked = want.definition.volumes
        return {
            key: os.path.realpath(path) if path and asked[key].source else str(path)
            for key, path in self.of(want).items()
        }

    def look(self, want: DesiredServer) -> tuple[DataVolume, ...]:
        """Observe a server's data alone. A purge leaves a person's own directories alone."""
        places = self.of(want)
        if want.goal is Goal.PURGED:
            asked = want.definition.volumes
            places = {key: each for key, each in places.items() if asked[key].source is None}
        by_use = {key: each for key, each in self.by_use(want).items() if key in places}
        away = {key for key, each in by_use.items() if each is None}
        places = {key: each for key, each in places.items() if key not in away}
        given = {key: each for key, each in places.items() if want.definition.volumes[key].source}
        silent = {key: each for key, each in given.items() if each and self._knocks.is_silent(each)}
        places = {key: each for key, each in places.items() if key not in silent}
        seen = volumes.look(self._root, places, self.owner(want), want.definition)
        return (
            *(self._as_mounted(each, want) if each.key in by_use else each for each in seen),
            *(volumes.silent(key, each) for key, each in silent.items()),
            *(volumes.unmounted(key) for key in away if _is_data(want, key)),
        )

    def _as_mounted(self, found: DataVolume, want: DesiredServer) -> DataVolume:
        unmarkable = (want.id, found.key) in self._unmarkable
        return replace(found, by_use=True, unmarkable=unmarkable)

    def by_use(self, want: DesiredServer) -> dict[str, Path | None]:
        """List the volumes that are mounted while a container uses them; None: none does now."""
        found: dict[str, Path | None] = {}
        for key, volume in want.definition.volumes.items():
            if volume.source is None or volume.source.startswith("/"):
                continue
            known = self._volume(volume.source)
            driven = volume.driven or (known.driven if known is not None else None)
            if driven is not None and driven.is_mounted_by_use:
                place = known.mountpoint if known is not None else None
                found[key] = place if place is not None and _is_mounted(place, driven) else None
        return found

    def mark(self, want: DesiredServer) -> None:
        """Mark the mounted data volumes that hold data and have no owner yet."""
        for key, path in self.by_use(want).items():
            if path is None or not _is_data(want, key) or self._knocks.is_silent(path):
                continue
            if not volumes.mark_mounted(path, self.owner(want)):
                self._unmarkable.add((want.id, key))

    def keep(self, found: NamedVolume) -> None:
        """Keep what the Engine says about a named volume."""
        self._named[found.name] = found

    def _place(self, volume: Volume) -> Path | None:
        source = volume.source or ""
        if source.startswith("/"):
            return Path(source)
        if volume.driven is not None and volume.driven.bound is not None:
            return Path(volume.driven.bound)
        found = self._volume(source)
        return None if found is None else found.place / (volume.subpath or "")

    def _volume(self, name: str) -> NamedVolume | None:
        if name not in self._named:
            if (found := self._engine.find(name)) is None:
                return None
            self.keep(found)
        return self._named[name]

    def owner(self, want: DesiredServer) -> Owner:
        """Make the owner that the markers of this server's directories name."""
        return Owner(want.id, self.fleet, want.name)


def _is_mounted(place: Path, driven: Driven) -> bool:
    """Say whether a driver has mounted its files; some drivers keep them in a plain directory."""
    if mounts.is_mount_point(place) or driven.driver == LOCAL:
        return mounts.is_mount_point(place)
    try:
        return any(place.iterdir())
    except OSError:
        return False


def _is_data(want: DesiredServer, key: str) -> bool:
    return want.definition.volumes[key].kind is VolumeKind.DATA
