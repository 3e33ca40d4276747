"""Servers' data directories on this host: the only module that makes, marks or removes them.

Layout: `<root>/servers/<server id>/<volume>`. Each data volume carries the marker `.zedops.json`,
which says whose it is: an empty or foreign mount in its place is told from the real one. Only
`remove` removes anything.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Owner:
    """Whose a directory is, as its marker says."""

    id: str
    fleet: str
    name: str = ""


def look(root: Path, owner: Owner, definition: Definition) -> tuple[DataVolume, ...]:
    """Look at every declared data volume; one directory entry each, whatever their size."""
    return tuple(
        _look_at(volume_path(root, owner.id, key), key, owner)
        for key, volume in definition.volumes.items()
        if volume.kind is VolumeKind.DATA
    )


def _look_at(path: Path, key: str, owner: Owner) -> DataVolume:
    marker = content = Presence.ABSENT
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name == MARKER:
                    marker = _read_marker(path / MARKER, owner)
                else:
                    content = Presence.PRESENT
                if Presence.ABSENT not in (marker, content):
                    break
    except (FileNotFoundError, NotADirectoryError):
        return DataVolume(key, Presence.ABSENT, Presence.ABSENT)
    except OSError:
        return DataVolume(key, Presence.UNKNOWN, Presence.UNKNOWN)
    return DataVolume(key, marker, content)


def _read_marker(path: Path, owner: Owner) -> Presence:
    """Read whose a directory is. A marker put back by hand may leave the fleet out."""
    try:
        said = json.loads(path.read_text())
        same = said.get("id") == owner.id and said.get("fleet", owner.fleet) == owner.fleet
    except OSError:
        return Presence.UNKNOWN
    except (ValueError, AttributeError):
        return Presence.FOREIGN
    return Presence.PRESENT if same else Presence.FOREIGN


def look_home(root: Path, server_id: str) -> Presence:
    """Say whether anything of a server is kept here, caches included."""
    try:
        (root / "servers" / server_id).lstat()
    except FileNotFoundError:
        return Presence.ABSENT
    except OSError:
        return Presence.UNKNOWN
    return Presence.PRESENT


def remove(root: Path, owner: Owner) -> None:
    """Remove all that is kept of a server: for a purge that asked for it, and nothing else.

    DataAtRisk, and nothing touched, unless the directory is marked as this server's and nothing
    in it as somebody else's.
    """
    home = root / "servers" / owner.id
    try:
        marks = {"": _look_at(home, "", owner).marker}
        marks |= {each.name: _look_at(each, each.name, owner).marker for each in home.iterdir()}
        foreign = [key for key, mark in marks.items()
                   if mark in (Presence.FOREIGN, Presence.UNKNOWN)]
        if home.is_symlink() or foreign or marks[""] is not Presence.PRESENT:
            what = f"{foreign[0]!r} in it" if foreign and foreign[0] else "it"
            fact = f"{home} was not removed: {what} is not marked as this server's"
            raise DataAtRisk(f"{fact}; look at it and remove it by hand")
        for each in home.iterdir():
            if each.name != MARKER:
                shutil.rmtree(each)
        (home / MARKER).unlink()  # last: a purge that was cut off can still show whose this is
        home.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise EngineFailed(f"cannot remove {home}: {error}") from error


def make(root: Path, owner: Owner, definition: Definition, user: str) -> None:
    """Make and mark the directories that are not there yet; touch none that is.

    `user` is the container's user as `uid` or `uid:gid`. A user that only the image knows by name
    gets directories that anyone inside may write; the directory above shuts others out.
    """
    try:
        home = root / "servers" / owner.id
        home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        _mark(home, owner)
        for key, volume in definition.volumes.items():
            path = home / key
            if not path.is_dir():
                path.mkdir()
                _give_to(path, user)
            if volume.kind is VolumeKind.DATA:
                _mark(path, owner)
    except OSError as error:
        raise EngineFailed(f"cannot make the data directory: {error}") from error


def _give_to(path: Path, user: str) -> None:
    uid, _, gid = user.partition(":")
    if uid.isdigit() and os.geteuid() == 0:
        os.chown(path, int(uid), int(gid) if gid.isdigit() else int(uid))
    elif user:
        path.chmod(_SHARED)


def _mark(path: Path, owner: Owner) -> None:
    marker = path / MARKER
    if _look_at(path, path.name, owner).marker is Presence.FOREIGN:
        raise DataAtRisk(f"{path} is marked as another server's; move it away first")
    if marker.exists():
        return
    partial = path / f"{MARKER}.new"
    with partial.open("w") as file:
        json.dump({"id": owner.id, "name": owner.name, "fleet": owner.fleet}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(marker)
