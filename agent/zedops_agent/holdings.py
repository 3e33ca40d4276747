"""Lists the content of the data root: directories by owner, sizes of volumes. Only looks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from zedops.protocol.requests import Belonging, VolumeSize
from zedops_agent import beside, markers, volumes
from zedops_agent.markers import OURS

#: zedops does not measure deeper directories: each level takes a descriptor.
_DEEPEST = 256
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK


def belongings(root: Path, fleet: str) -> list[Belonging]:
    """List the directories with a marker of a server of a fleet."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for home in sorted((root / "servers").iterdir()):
            marked = _marked(home)
            if marked is not None and marked.fleet == fleet and marked.id == home.name:
                found.append(Belonging(
                    server_id=marked.id, server_name=marked.name, path=str(home),
                    data_exists=_holds_anything(home),
                ))
    return found


def is_home(root: Path, fleet: str, server_id: str) -> bool:
    """Say whether a server of a fleet has a directory below this data root."""
    marked = _marked(volumes.home_path(root, server_id))
    return marked is not None and marked.fleet == fleet and marked.id == server_id


def _marked(home: Path) -> markers.Owner | None:
    try:
        with markers.opened(home) as folder:
            return markers.owner_of(folder)
    except OSError:
        return None


def _holds_anything(home: Path) -> bool | None:
    try:
        for each in home.iterdir():
            if not beside.is_note(each.name):
                with markers.opened(each) as folder:
                    if volumes.holds_anything(folder):
                        return True
    except OSError:
        return None
    return False


def measure(server_id: str, key: str, path: Path | None) -> VolumeSize:
    """Measure a data volume: walks all of it, 200 ms for 100,000 files. Follows no links."""
    found = VolumeSize(server_id=server_id, volume=key, path=str(path or ""), exists=None)
    if path is None:
        return found.model_copy(update={"exists": False})
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return found.model_copy(update={"exists": False})
    except OSError:
        return found
    try:
        size, files = _measure(top, 0)
    except OSError:
        return found  # it changes during the walk: no figure is better than a wrong one
    return found.model_copy(update={"exists": files > 0, "size_bytes": size, "files": files})


def _measure(folder: int, depth: int) -> tuple[int, int]:
    """Add up an open directory, and close it. It resolves no path twice, against swaps."""
    size = files = 0
    try:
        if depth > _DEEPEST:
            raise OSError("too deep")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inside = os.open(entry.name, _FOLDER, dir_fd=folder)
                    more = _measure(inside, depth + 1)
                    size, files = size + more[0], files + more[1]
                elif depth or entry.name not in OURS:
                    size += entry.stat(follow_symlinks=False).st_size
                    files += 1
    finally:
        os.close(folder)
    return size, files
