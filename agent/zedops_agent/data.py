"""Servers' data directories on this host: the only module that makes, marks or removes them.

Layout: `<root>/servers/<server id>/<volume>`. Each data volume carries the marker `.zedops.json`,
which says whose it is: an empty or foreign mount in its place is told from the real one. Only
`remove` removes anything.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from zedops.errors import DataAtRisk, EngineFailed
from zedops.model import Definition, VolumeKind
from zedops_agent.observed import DataVolume, Presence

MARKER = ".zedops.json"
#: The directory above the volumes keeps other users of the host out, so that a volume may be
#: writable for whichever user its container runs as.
_PRIVATE = 0o711
_SHARED = 0o777


def volume_path(root: Path, server_id: str, key: str) -> Path:
    """Say where a volume lives on the host."""
    return root / "servers" / server_id / key


def look(root: Path, server_id: str, definition: Definition) -> tuple[DataVolume, ...]:
    """Look at every declared data volume; one directory entry each, whatever their size."""
    return tuple(
        _look_at(volume_path(root, server_id, key), key, server_id)
        for key, volume in definition.volumes.items()
        if volume.kind is VolumeKind.DATA
    )


def _look_at(path: Path, key: str, server_id: str) -> DataVolume:
    marker = content = Presence.ABSENT
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name == MARKER:
                    marker = _read_marker(path / MARKER, server_id)
                else:
                    content = Presence.PRESENT
                if Presence.ABSENT not in (marker, content):
                    break
    except (FileNotFoundError, NotADirectoryError):
        return DataVolume(key, Presence.ABSENT, Presence.ABSENT)
    except OSError:
        return DataVolume(key, Presence.UNKNOWN, Presence.UNKNOWN)
    return DataVolume(key, marker, content)


def _read_marker(path: Path, server_id: str) -> Presence:
    try:
        owner = json.loads(path.read_text()).get("id")
    except OSError:
        return Presence.UNKNOWN
    except (ValueError, AttributeError):
        return Presence.FOREIGN
    return Presence.PRESENT if owner == server_id else Presence.FOREIGN


def look_home(root: Path, server_id: str) -> Presence:
    """Say whether anything of a server is kept here, caches included."""
    try:
        (root / "servers" / server_id).lstat()
    except FileNotFoundError:
        return Presence.ABSENT
    except OSError:
        return Presence.UNKNOWN
    return Presence.PRESENT


def remove(root: Path, server_id: str, definition: Definition) -> None:
    """Remove all that is kept of a server: for a purge that asked for it, and nothing else.

    DataAtRisk, and nothing touched, where a volume is another server's or the place is a link.
    """
    home = root / "servers" / server_id
    foreign = [each.key for each in look(root, server_id, definition)
               if each.marker in (Presence.FOREIGN, Presence.UNKNOWN)]
    if foreign or home.is_symlink():
        what = f"volume {foreign[0]!r} is not this server's" if foreign else "it is a link"
        raise DataAtRisk(f"{home} was not removed: {what}; look at it and remove it by hand")
    try:
        shutil.rmtree(home)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EngineFailed(f"cannot remove {home}: {error}") from error


def make(root: Path, server_id: str, name: str, definition: Definition, owner: str) -> None:
    """Make and mark the directories that are not there yet; touch none that is.

    `owner` is the container's user as `uid` or `uid:gid`. A user that only the image knows by name
    gets directories that anyone inside may write; the directory above shuts others out.
    """
    try:
        home = root / "servers" / server_id
        home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        for key, volume in definition.volumes.items():
            path = home / key
            if not path.is_dir():
                path.mkdir()
                _give_to(path, owner)
            if volume.kind is VolumeKind.DATA:
                _mark(path, server_id, name)
    except OSError as error:
        raise EngineFailed(f"cannot make the data directory: {error}") from error


def _give_to(path: Path, owner: str) -> None:
    uid, _, gid = owner.partition(":")
    if uid.isdigit() and os.geteuid() == 0:
        os.chown(path, int(uid), int(gid) if gid.isdigit() else int(uid))
    elif owner:
        path.chmod(_SHARED)


def _mark(path: Path, server_id: str, name: str) -> None:
    marker = path / MARKER
    if _look_at(path, path.name, server_id).marker is Presence.FOREIGN:
        raise DataAtRisk(f"{path} is marked as another server's; move it away first")
    if marker.exists():
        return
    partial = path / f"{MARKER}.new"
    with partial.open("w") as file:
        json.dump({"id": server_id, "name": name}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(marker)
