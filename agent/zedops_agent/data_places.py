"""Knows where a server's data is on this host, and looks at it. It makes and removes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from zedops.protocol.sync import DesiredServer, Goal
from zedops.spec.volume import Volume
from zedops_agent import volumes
from zedops_agent.engine.inspection import Inspector
from zedops_agent.knock import Knocks
from zedops_agent.markers import Owner
from zedops_agent.observed import DataVolume


class DataPlaces:
    """The places of one fleet's data: below the data root, in a named volume, or elsewhere."""

    def __init__(self, fleet: str, root: Path, inspector: Inspector) -> None:
        self._fleet, self._root, self._inspector = fleet, root, inspector
        self._named: dict[str, Path] = {}
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
        given = {key: each for key, each in places.items() if want.definition.volumes[key].source}
        silent = {key: each for key, each in given.items() if each and self._knocks.is_silent(each)}
        places = {key: each for key, each in places.items() if key not in silent}
        seen = volumes.look(self._root, places, self.owner(want), want.definition)
        return (*seen, *(volumes.silent(key, each) for key, each in silent.items()))

    def _place(self, volume: Volume) -> Path | None:
        source = volume.source or ""
        if source.startswith("/"):
            return Path(source)
        if source not in self._named:
            found = self._inspector.volume(source)
            if found is None:
                return None
            self._named[source] = found
        return self._named[source] / (volume.subpath or "")

    def owner(self, want: DesiredServer) -> Owner:
        """Make the owner that the markers of this server's directories name."""
        return Owner(want.id, self._fleet, want.name)
