"""The remote of a clone: its URL, its directory, and the hub on this machine that belongs to it.

It asks, and stores one path; it pushes and fetches nothing.
"""

from __future__ import annotations

from pathlib import Path

from zedops.clone import checkout
from zedops.git.repository import Repository
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.refs import SEEN
from zedops.system.paths import default_hub

#: Where a clone notes the hub that follows the same upstream.
_HUB = "zedops.hubPath"


class Origin:
    """The remote `origin` of one clone."""

    def __init__(self, root: Path, repository: Repository) -> None:
        self._root, self._repository = root, repository

    @property
    def url(self) -> str:
        """Return the remote's URL; for a remote on this machine its absolute path."""
        url = self._repository.run("config", "remote.origin.url")
        path = self.path()
        return str(path.resolve()) if path else url

    def path(self) -> Path | None:
        """Find the remote's directory, if it is on this machine."""
        url = self._repository.run("config", "remote.origin.url")
        path = Path(url.removeprefix("file://"))
        return self._root / path if (self._root / path).is_dir() else None

    def is_hub(self) -> bool:
        """Tell whether the remote is a hub: its directory on this machine, or its ref, says so."""
        origin = self.path()
        if origin is not None:
            return Hub.is_hub(origin)
        return bool(self._repository.run("ls-remote", "origin", SEEN))

    def hub_path(self) -> Path | None:
        """Find the hub on this machine: the remote itself, or the hub that follows the remote."""
        origin = self.path()
        if origin is not None and Hub.is_hub(origin):
            return origin
        named = checkout.setting(self._repository, _HUB)
        place = Path(named) if named else default_hub(self.url, self.default_name)
        return place if Hub.is_hub(place) else None

    def name_hub(self, hub: Hub) -> None:
        """Store the path of the hub that follows the same upstream."""
        self._repository.run("config", "--end-of-options", _HUB, str(hub.path))

    @property
    def default_name(self) -> str:
        """Name a fleet whose settings give no name, by the same rule as its hub."""
        url = checkout.setting(self._repository, "remote.origin.url")
        return snapshot.name_from(Path(url or self._root))
