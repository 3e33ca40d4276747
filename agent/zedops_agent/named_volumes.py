"""What a host knows about named volumes, and what a definition asks of them. Pure.

zedops makes a volume with a driver or options of its own where it is missing. It replaces none:
another server may need it, and a world may be behind it. After a purge it removes only the Engine's
entry of a volume that it made itself for this server: what the driver mounts stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zedops.errors import EngineFailed
from zedops.protocol.sync import DesiredServer
from zedops.spec.volume import Volume
from zedops.spec.volume_drivers import LOCAL, Driven
from zedops_agent.observed import FLEET, HUB, SERVER_ID, SERVER_NAME

#: The label with the key of a volume in its definition.
VOLUME = "zedops.volume"


@dataclass(frozen=True)
class NamedVolume:
    """A named volume, as the Engine describes it."""

    name: str
    driven: Driven
    mountpoint: Path
    labels: Mapping[str, str]

    @property
    def place(self) -> Path:
        """Return the place of its files: elsewhere, if it binds a directory of the host."""
        bound = self.driven.bound or ""
        return Path(bound) if bound.startswith("/") else self.mountpoint

    def is_made_for(self, fleet: str, server_id: str) -> bool:
        """Say whether zedops made it for a server."""
        return (self.labels.get(FLEET), self.labels.get(SERVER_ID)) == (fleet, server_id)


def labels(fleet: str, hub: str, want: DesiredServer, key: str) -> dict[str, str]:
    """Make the labels of a volume that zedops makes."""
    return {FLEET: fleet, **({HUB: hub} if hub else {}), SERVER_ID: want.id,
            SERVER_NAME: want.name, VOLUME: key}


def check_same(key: str, asked: Driven, found: NamedVolume) -> None:
    """Refuse a volume with another driver or other options. Raises EngineFailed."""
    if (asked.driver, dict(asked.options)) == (found.driven.driver, dict(found.driven.options)):
        return
    has = f"{found.driven}".strip()
    fact = f"volume {key!r}: {found.name} is there as `{has}`, and the definition asks `{asked}`"
    remedy = "choose another name in `source:`, or remove it on the host once no container uses it"
    raise EngineFailed(f"{fact}; {remedy}: `docker volume rm {found.name}`")


def driven_volumes(want: DesiredServer) -> dict[str, tuple[Volume, Driven]]:
    """List the volumes of a server that zedops makes where they are missing."""
    found = want.definition.volumes.items()
    return {key: (each, each.driven) for key, each in found if each.driven is not None}


def is_removable(volume: NamedVolume, fleet: str, server_id: str) -> bool:
    """Say whether a purge removes a volume's entry: its files are elsewhere, and zedops made it.

    A driver that is no part of the Engine may remove the files with the entry.
    """
    elsewhere = volume.driven.driver == LOCAL and bool(volume.driven.options.get("device"))
    return elsewhere and volume.is_made_for(fleet, server_id)
