"""Servers' data directories on this host: the only module that makes, marks or removes them.

Layout: `<root>/servers/<server id>/<volume>`, unless a definition names another place by `source:`,
which is the person's own and never made or removed here. Each data volume carries the marker
`.zedops.json`, which says whose it is: an empty or foreign mount in its place is told from the
real one. Only `remove` removes anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zedops import disk, faults
from zedops.calls import Belonging, VolumeSize
from zedops.errors import DataAtRisk, EngineFailed
from zedops.model import Definition, Volume, VolumeKind
from zedops_agent.observed import DataVolume, Presence

MARKER = ".zedops.json"
#: What is zedops' own in a directory; the first one is left where it died while it marked that.
_OURS = (f"{MARKER}{disk.PARTIAL}", MARKER)
#: Bytes of a marker: who writes to a volume may have put anything in its place.
_MOST = 1 << 16
#: The directory above the volumes keeps other users of the host out, so that a volume may be
#: writable for whichever user its container runs as.
_PRIVATE = 0o711
_SHARED = 0o777


def home_path(root: Path, server_id: str) -> Path:
    """Say where a server's own volumes live on the host."""
    return root.joinpath("servers", server_id)


def volume_path(root: Path, server_id: str, key: str) -> Path:
    """Say where a volume lives on the host."""
    return root.joinpath("servers", server_id, key)  # in one go: asked for at every look


@dataclass(frozen=True)
class Owner:
    """Whose a directory is, as its marker says."""

    id: str
    fleet: str
    name: str = ""


#: Where a server's volumes are, by key. None: a named volume that does not exist.
Places = Mapping[str, Path | None]


def look(places: Places, owner: Owner, definition: Definition) -> tuple[DataVolume, ...]:
    """Look at every declared data volume; one directory entry each, whatever their size."""
    return tuple(
        _look_at(places[key], key, owner, own_place=volume.source is None)
        for key, volume in definition.volumes.items()
        if volume.kind is VolumeKind.DATA and key in places
    )


def _look_at(
    path: Path | None, key: str, owner: Owner, *, own_place: bool = True
) -> DataVolume:
    marker = content = Presence.ABSENT
    if path is None:
        return DataVolume(key, marker, content, own_place)
    place = str(path)
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name == MARKER:
                    marker = _read_marker(f"{place}/{MARKER}", owner)
                elif entry.name not in _OURS:
                    content = Presence.PRESENT
                if Presence.ABSENT not in (marker, content):
                    break
    except (FileNotFoundError, NotADirectoryError):
        marker = content = Presence.ABSENT
    except OSError:
        marker = content = Presence.UNKNOWN
    return DataVolume(key, marker, content, own_place)


def _read_marker(path: str, owner: Owner) -> Presence:
    """Read whose a directory is. A marker put back by hand may leave the fleet out."""
    try:
        said = json.loads(disk.read(path, _MOST))
        same = said.get("id") == owner.id and said.get("fleet", owner.fleet) == owner.fleet
    except OSError:
        return Presence.UNKNOWN
    except (ValueError, AttributeError):
        return Presence.FOREIGN
    return Presence.PRESENT if same else Presence.FOREIGN


def belongings(root: Path, fleet: str) -> list[Belonging]:
    """List the directories that are marked as some server's of a fleet."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for home in sorted((root / "servers").iterdir()):
            marked = _marked(home)
            if marked is not None and marked.fleet == fleet and marked.id == home.name:
                exists = _holds_anything(home)
                found.append(Belonging(
                    server_id=marked.id, server_name=marked.name, path=str(home),
                    data_exists=exists,
                ))
    return found


def _marked(home: Path) -> Owner | None:
    try:
        said = json.loads((home / MARKER).read_text())
        return Owner(str(said["id"]), str(said.get("fleet", "")), str(said.get("name", "")))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _holds_anything(home: Path) -> bool | None:
    try:
        volumes = [each for each in home.iterdir() if each.name not in _OURS]
        return any(entry.name not in _OURS for each in volumes for entry in each.iterdir())
    except OSError:
        return None


def measure(server_id: str, key: str, path: Path | None) -> VolumeSize:
    """Measure a data volume: walks all of it, 200 ms for 100,000 files. Links are not followed."""
    found = VolumeSize(server_id=server_id, volume=key, path=str(path or ""), exists=None)
    if path is None:
        return found.model_copy(update={"exists": False})
    size = files = 0
    try:
        folders = [path]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.name not in _OURS or Path(entry.path).parent != path:
                        size += entry.stat(follow_symlinks=False).st_size
                        files += 1
    except FileNotFoundError:
        if not path.exists():
            return found.model_copy(update={"exists": False})
        return found  # it changes under us: no figure is better than a wrong one
    except OSError:
        return found
    return found.model_copy(update={"exists": files > 0, "size_bytes": size, "files": files})


def look_home(root: Path, server_id: str) -> Presence:
    """Say whether anything of a server is kept here, caches included."""
    try:
        home_path(root, server_id).lstat()
    except FileNotFoundError:
        return Presence.ABSENT
    except OSError:
        return Presence.UNKNOWN
    return Presence.PRESENT


def release(places: Places, owner: Owner, definition: Definition) -> None:
    """Take this server's marker off the places that are the person's own; what is there stays."""
    for key, volume in definition.volumes.items():
        path = places[key]
        if volume.source is not None and path is not None:
            try:
                if _look_at(path, key, owner).marker is Presence.PRESENT:
                    (path / MARKER).unlink()
            except OSError as error:
                raise EngineFailed(f"cannot unmark {path}: {error}") from error


def remove(root: Path, owner: Owner) -> None:
    """Remove all that is kept of a server: for a purge that asked for it, and nothing else.

    DataAtRisk, and nothing touched, unless the directory is marked as this server's and nothing
    in it as somebody else's.
    """
    home = home_path(root, owner.id)
    try:
        if not home.is_symlink() and not any(home.iterdir()):
            home.rmdir()  # a purge was cut off just before its end, or it never held anything
            return
        marks = {"": _look_at(home, "", owner).marker}
        marks |= {each.name: _look_at(each, each.name, owner).marker for each in home.iterdir()}
        foreign = [key for key, mark in marks.items()
                   if mark in (Presence.FOREIGN, Presence.UNKNOWN)]
        if home.is_symlink() or foreign or marks[""] is not Presence.PRESENT:
            what = f"{foreign[0]!r} in it" if foreign and foreign[0] else "it"
            fact = f"{home} was not removed: {what} is not marked as this server's"
            raise DataAtRisk(f"{fact}; look at it and remove it by hand")
        for each in home.iterdir():
            if each.name not in _OURS:
                shutil.rmtree(each)
                faults.point("purge.begun")
        faults.point("purge.emptied")
        for name in _OURS:  # the marker last: a purge that was cut off can still show whose this is
            (home / name).unlink(missing_ok=True)
        faults.point("purge.unmarked")
        home.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise EngineFailed(f"cannot remove {home}: {error}") from error


def make(
    root: Path, places: Places, owner: Owner, definition: Definition, user: str
) -> None:
    """Make and mark the directories that are not there yet; touch none that is.

    `user` is the container's user as `uid` or `uid:gid`. A user that only the image knows by name
    gets directories that anyone inside may write; the directory above shuts others out. What a
    definition names by its `source:` is never made, and marked only if it is nobody's yet.
    """
    try:
        home = home_path(root, owner.id)
        is_new = not home.is_dir()
        if is_new:
            home.mkdir(mode=_PRIVATE, parents=True)
        faults.point("data.made")
        _mark(home, owner, is_new=is_new)
        for key, volume in definition.volumes.items():
            path, is_new = places[key], False
            if volume.source is not None:
                path = _found(path, key, volume)
            elif path is not None and not path.is_dir():
                path.mkdir()
                is_new = True
                _give_to(path, user)
            if volume.kind is VolumeKind.DATA and path is not None:
                _mark(path, owner, is_new=is_new)
    except OSError as error:
        raise EngineFailed(f"cannot make the data directory: {error}") from error


def _found(path: Path | None, key: str, volume: Volume) -> Path:
    if path is None or not path.exists():
        fact = f"volume {key!r}: {volume.source} is not there"
        raise EngineFailed(f"{fact}; make it, or correct `source:`")
    if volume.kind is VolumeKind.DATA and not path.is_dir():
        fact = f"volume {key!r}: {volume.source} is a file and cannot be marked"
        raise EngineFailed(f"{fact}; write `kind: cache`, or use its directory")
    return path


def _give_to(path: Path, user: str) -> None:
    uid, _, gid = user.partition(":")
    if uid.isdigit() and os.geteuid() == 0:
        os.chown(path, int(uid), int(gid) if gid.isdigit() else int(uid))
    elif user:
        path.chmod(_SHARED)


def _mark(path: Path, owner: Owner, *, is_new: bool) -> None:
    marker = path / MARKER
    found = Presence.ABSENT if is_new else _look_at(path, path.name, owner).marker
    if found is Presence.FOREIGN:
        raise DataAtRisk(f"{path} is marked as another server's; move it away first")
    if found is Presence.PRESENT or (found is Presence.UNKNOWN and marker.exists()):
        return
    said = json.dumps({"id": owner.id, "name": owner.name, "fleet": owner.fleet})
    disk.write(marker, said.encode(), 0o666)
    faults.point("data.marked")
