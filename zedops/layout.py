"""What is where in a fleet repository. Pure, and light: commands start with it."""

from __future__ import annotations

import re
from enum import Enum

#: Server and host names: safe as file stem, container name, DNS label and NATS token.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

SETTINGS_PATH = "zedops.yaml"
SERVERS = "servers.d"
TOMBSTONES = "tombstones.d"
PRESETS = "presets.d"

#: A definition of more bytes is none; the limit also bounds what a push can cost.
MAX_BYTES = 256 * 1024
#: A whole file: the person's half, and room for the state that zedops writes below it.
MAX_FILE_BYTES = MAX_BYTES + 32 * 1024
#: A tombstone's head may be longer by the line with which zedops itself asks for a purge.
MAX_GRAVE_BYTES = MAX_BYTES + 256


class Kind(Enum):
    """What a path in a fleet repository is."""

    SETTINGS = "settings"
    SERVER = "server"
    TOMBSTONE = "tombstone"
    PRESET = "preset"
    OTHER = "other"


_FOLDERS = {SERVERS: Kind.SERVER, TOMBSTONES: Kind.TOMBSTONE, PRESETS: Kind.PRESET}


def kind_of(path: str) -> Kind:
    """Say what a path in the repository is to zedops."""
    if path == SETTINGS_PATH:
        return Kind.SETTINGS
    folder, _, rest = path.partition("/")
    if not rest.endswith((".yaml", ".yml")):
        return Kind.OTHER
    return _FOLDERS.get(folder, Kind.OTHER)


def preset_name(path: str) -> str | None:
    """Name the preset that a file is; None for any other file."""
    return path.rpartition("/")[2].rpartition(".")[0] if kind_of(path) is Kind.PRESET else None


def preset_path(name: str) -> str:
    """Say where a fleet's own preset is."""
    return f"{PRESETS}/{name}.yaml"


def tombstone_path(name: str) -> str:
    """Say where a deleted server's file goes."""
    return f"{TOMBSTONES}/{name}.yaml"
