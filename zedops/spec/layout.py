"""The paths of a fleet repository. Pure and quick to import, because every command needs it."""

from __future__ import annotations

import re
from enum import Enum

#: Server and host names: safe as file stem, container name, DNS label and NATS token.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

SETTINGS_PATH = "zedops.yaml"
SERVERS = "servers.d"
TOMBSTONES = "tombstones.d"
PRESETS = "presets.d"

#: Most bytes of a definition; the limit also bounds the cost of a push.
MAX_BYTES = 256 * 1024
#: Most bytes of a whole file: the definition, and the state that zedops writes below it.
MAX_FILE_BYTES = MAX_BYTES + 32 * 1024
#: Most bytes of a tombstone's head: zedops adds the line that asks for a purge.
MAX_GRAVE_BYTES = MAX_BYTES + 256


class Kind(Enum):
    """The kind of a path in a fleet repository."""

    SETTINGS = "settings"
    SERVER = "server"
    TOMBSTONE = "tombstone"
    PRESET = "preset"
    OTHER = "other"


_FOLDERS = {SERVERS: Kind.SERVER, TOMBSTONES: Kind.TOMBSTONE, PRESETS: Kind.PRESET}


def kind_of(path: str) -> Kind:
    """Return the kind of a path in a fleet repository."""
    if path == SETTINGS_PATH:
        return Kind.SETTINGS
    folder, _, rest = path.partition("/")
    if not rest.endswith((".yaml", ".yml")):
        return Kind.OTHER
    return _FOLDERS.get(folder, Kind.OTHER)


def preset_name(path: str) -> str | None:
    """Return the name of a preset from its path; None for any other file."""
    return path.rpartition("/")[2].rpartition(".")[0] if kind_of(path) is Kind.PRESET else None


def preset_path(name: str) -> str:
    """Return the path of a fleet's own preset."""
    return f"{PRESETS}/{name}.yaml"


def tombstone_path(name: str) -> str:
    """Return the path of a deleted server's file."""
    return f"{TOMBSTONES}/{name}.yaml"
