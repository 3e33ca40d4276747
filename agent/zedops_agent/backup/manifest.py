"""The small file in each snapshot that says whose world it is: enough to begin without a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zedops.protocol.sync import DesiredServer
from zedops.system import files

NAME = "zedops-backup.json"


def write(folder: Path, fleet: str, host: str, want: DesiredServer, places: dict[str, str]) -> Path:
    """Write the file for a snapshot; returns its path, which is the same each time."""
    said = {
        "version": 1, "fleet": fleet, "host": host, "server": want.id, "name": want.name,
        "commit": want.commit, "volumes": places,
        "definition": want.definition.model_dump(
            mode="json", exclude_defaults=True, exclude={"world", "restart", "rebuild", "adopt"}
        ),
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / NAME
    text = json.dumps(said, indent=1, sort_keys=True).encode()
    if not path.exists() or files.read(path) != text:
        files.write(path, text)
    return path


def places(said: dict[str, Any]) -> dict[str, str]:
    """Read where each volume is in the snapshot. ValueError for an unreadable file."""
    found = said.get("volumes")
    if not isinstance(found, dict) or not all(
        isinstance(each, str) and each.startswith("/") and ".." not in each.split("/")
        for each in found.values()
    ):
        raise ValueError("its description is damaged")
    return {str(key): each for key, each in found.items()}
