"""Makes the paths of a compose file absolute, relative to its own directory. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from zedops.scaffold.compose import merge
from zedops.scaffold.compose.scalars import Override, Plain, Reset, as_text


def absolute(tree: dict[str, Any], directory: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Make a service's paths absolute, relative to its own file's directory."""
    found = dict(tree)
    if isinstance(volumes := tree.get("volumes"), list):
        found["volumes"] = [_absolute_volume(each, directory, variables) for each in volumes]
    if "env_file" in tree and not isinstance(tree["env_file"], Plain | Override | Reset):
        found["env_file"] = [
            {**each, "path": _joined(directory, as_text(each.get("path", "")), variables)}
            if isinstance(each, dict) else _joined(directory, as_text(each), variables)
            for each in merge.as_list(tree["env_file"])
        ]
    return found


def _absolute_volume(volume: Any, directory: str, variables: Mapping[str, str]) -> Any:
    if isinstance(volume, dict):
        if as_text(volume.get("type", "")) == "bind" and "source" in volume:
            source = _joined(directory, as_text(volume["source"]), variables)
            return {**volume, "source": source}
        return volume
    if not isinstance(volume, str):
        return volume
    source, colon, rest = volume.partition(":")
    if colon and source.startswith((".", "/", "~")):
        return f"{_joined(directory, source, variables)}:{rest}"
    return volume


def absolute_device(volume: Any, directory: str, variables: Mapping[str, str]) -> Any:
    """Make a bound directory absolute, as Compose does where the driver is written."""
    options = volume.get("driver_opts") if isinstance(volume, dict) else None
    if not isinstance(options, dict) or volume.get("driver") != "local":
        return volume
    if options.get("o") != "bind" or not isinstance(device := options.get("device"), str):
        return volume
    return {**volume, "driver_opts": {**options, "device": _joined(directory, device, variables)}}


def _joined(directory: str, path: str, variables: Mapping[str, str]) -> str:
    if path == "~" or path.startswith("~/"):
        path = posixpath.join(variables.get("HOME", "/"), path[2:])
    return posixpath.normpath(posixpath.join(directory, path))
