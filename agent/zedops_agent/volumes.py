"""Servers' data directories on this host: looks at them, makes them, marks them.

Layout: `<root>/servers/<server id>/<volume>`, unless a definition names another place by `source:`.
A `source:` belongs to a person: this module never makes or removes it. Each data volume that holds
data carries the marker `.zedops.json` with its owner. So zedops tells it from an empty or foreign
mount in its place. The mark of an empty volume is `beside` it. Only `removal` removes data.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from zedops.errors import DataAtRisk, EngineFailed
from zedops.protocol.remarks import UNSEEN
from zedops.spec.model import Definition
from zedops.spec.volume import Volume, VolumeKind
from zedops.system import failpoints
from zedops_agent import beside, markers, owners
from zedops_agent.markers import OURS, Owner
from zedops_agent.observed import DataVolume, Presence

#: A server's home keeps out other users of the host, so a volume in it may be writable for its
#: container's user. The Engine, as root, mounts it all the same.
PRIVATE = 0o700
_SHARED, _READABLE = 0o777, 0o755
_NOT_THERE = (FileNotFoundError, NotADirectoryError)
_SEE_TO_IT = "see to its disk or network share, or mount it again"
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def home_path(root: Path, server_id: str) -> Path:
    """Give the directory of a server's own volumes on the host."""
    return root.joinpath("servers", server_id)


def volume_path(root: Path, server_id: str, key: str) -> Path:
    """Give the directory of a volume on the host."""
    return root.joinpath("servers", server_id, key)  # one call, for speed: every look needs it


#: The paths of a server's volumes, by key. None: a named volume that does not exist.
Places = Mapping[str, Path | None]


def look(
    root: Path, places: Places, owner: Owner, definition: Definition
) -> tuple[DataVolume, ...]:
    """Look at every declared data volume; reads one entry of each, also of a large one."""
    return tuple(
        _look_at(root, places[key], key, owner, own_place=volume.source is None)
        for key, volume in definition.volumes.items()
        if volume.kind is VolumeKind.DATA and key in places
    )


def _look_at(
    root: Path, path: Path | None, key: str, owner: Owner, *, own_place: bool
) -> DataVolume:
    absent = DataVolume(key, Presence.ABSENT, Presence.ABSENT, own_place)
    if path is None:
        return absent
    try:
        with markers.opened(path) as folder:
            return _look_into(root, folder, path, key, owner, own_place=own_place)
    except _NOT_THERE:
        return absent
    except OSError as error:
        said = trouble(path, error)
        return DataVolume(key, Presence.UNKNOWN, Presence.UNKNOWN, own_place, trouble=said)


def _look_into(
    root: Path, folder: int, path: Path, key: str, owner: Owner, *, own_place: bool
) -> DataVolume:
    status = os.fstat(folder)
    marker, is_beside = markers.read(folder, owner), False
    content = Presence.PRESENT if holds_anything(folder) else Presence.ABSENT
    if marker is Presence.ABSENT:
        if own_place:
            is_beside = beside.note(path.parent, key).exists()
            marker = Presence.PRESENT if is_beside else marker
        else:
            marker = beside.read(root, folder, owner)
            is_beside = marker is Presence.PRESENT
    return DataVolume(
        key, marker, content, own_place, identity=(status.st_dev, status.st_ino),
        beside=is_beside, may_vanish=not own_place or _is_mounted(path, status),
    )


def _is_mounted(path: Path, status: os.stat_result) -> bool:
    """Say whether a place is a mount point or a link: without its disk it would be bare."""
    try:
        with os.scandir(path.parent) as entries:
            inode = next((each.inode() for each in entries if each.name == path.name), None)
        return inode != status.st_ino or status.st_dev != path.parent.stat().st_dev
    except OSError:
        return True


def holds_anything(folder: int) -> bool:
    """Say whether an open directory holds more than zedops' own files. Raises OSError."""
    with os.scandir(folder) as entries:
        return any(entry.name not in OURS for entry in entries)


def silent(key: str, path: Path) -> DataVolume:
    """Describe a `source:` that answers nothing; no call may touch it."""
    said = f"{UNSEEN} {path}: it does not answer; {_SEE_TO_IT}"
    unknown = Presence.UNKNOWN
    return DataVolume(key, unknown, unknown, own_place=False, trouble=said, silent=True)


def unmounted(key: str) -> DataVolume:
    """Describe a volume whose driver mounts it only while a container uses it: none does."""
    unknown = Presence.UNKNOWN
    return DataVolume(key, unknown, unknown, own_place=False, by_use=True, unmounted=True)


def trouble(path: Path, error: OSError) -> str:
    """Describe the obstacle to a look: place, fact, remedy."""
    fact = f"{UNSEEN} {path}: {error.strerror}"
    if error.errno in _FORBIDDEN:
        return f"{fact}; let the user that runs zedops read it"
    return f"{fact}; {_SEE_TO_IT}"


def look_home(root: Path, server_id: str) -> Presence:
    """Say whether this host keeps data of a server, caches included."""
    try:
        home_path(root, server_id).lstat()
    except FileNotFoundError:
        return Presence.ABSENT
    except OSError:
        return Presence.UNKNOWN
    return Presence.PRESENT


def make(
    root: Path, places: Places, owner: Owner, definition: Definition, user: str,
    by_use: Collection[str] = (),
) -> None:
    """Make and mark the missing directories; leave existing ones alone.

    A volume with its mark beside it gets its marker once it holds data.

    `user` is the container's user as `uid` or `uid:gid`. If only the image knows the user by name,
    all users inside may write to the directories; the directory above shuts others out. This never
    makes a `source:`, and marks it only if it has no owner yet. A volume in `by_use` is mounted
    only while a container uses it: `mark_mounted` marks it.
    """
    try:
        home = home_path(root, owner.id)
        if not home.is_dir():
            home.mkdir(mode=PRIVATE)
        failpoints.point("data.made")
        _mark_home(home, owner)
        for key, volume in definition.volumes.items():
            path = places[key]
            if key in by_use:
                continue
            if volume.source is not None:
                path = _found(path, key, volume)
            elif path is not None and not path.is_dir():
                path.mkdir()
                _give_to(path, user)
            if volume.kind is VolumeKind.DATA and path is not None:
                _mark(root, path, key, owner, own_place=volume.source is None)
    except OSError as error:
        raise EngineFailed(f"cannot make the data directory: {error}") from error


def mark_mounted(path: Path, owner: Owner) -> bool:
    """Mark a mounted volume that holds data; False if it forbids that (NFS with root_squash)."""
    try:
        with markers.opened(path) as folder:
            if holds_anything(folder):
                _claim(path, folder, owner)
    except OSError as error:
        if error.errno not in (*_FORBIDDEN, errno.EROFS):
            raise EngineFailed(f"cannot mark {path}: {error}") from error
        return False
    return True


def _found(path: Path | None, key: str, volume: Volume) -> Path:
    if path is None or not path.exists():
        fact = f"volume {key!r}: {volume.source} is not there"
        raise EngineFailed(f"{fact}; make it, or correct `source:`")
    if volume.kind is VolumeKind.DATA and not path.is_dir():
        fact = f"volume {key!r}: {volume.source} is a file and cannot be marked"
        raise EngineFailed(f"{fact}; write `kind: file`, or use its directory")
    if volume.kind is VolumeKind.FILE and path.is_dir():
        fact = f"volume {key!r}: {volume.source} is a directory"
        raise EngineFailed(f"{fact}; write `kind: data` or `kind: cache`")
    return path


def _give_to(path: Path, user: str) -> None:
    owner = owners.numbers(user)
    given = owner is not None and os.geteuid() == 0
    if owner is not None and given:
        os.chown(path, *owner)
    # set the mode in full: the agent's own umask is stricter
    path.chmod(_SHARED if user and not given else _READABLE)


def _mark_home(home: Path, owner: Owner) -> None:
    with markers.opened(home) as folder:
        _claim(home, folder, owner)


def _mark(root: Path, path: Path, key: str, owner: Owner, *, own_place: bool) -> None:
    """Mark a data volume: inside if it holds anything, else beside it."""
    with markers.opened(path) as folder:
        if not own_place:
            _check_above(path, owner)
        inside = markers.read(folder, owner)
        is_empty = inside is Presence.ABSENT and not holds_anything(folder)
        if is_empty and own_place:
            beside.note(path.parent, key).touch(mode=0o600)
        elif is_empty:
            if not beside.claim(root, folder, owner):
                raise DataAtRisk(f"{path} is another server's; give this one its own `source:`")
        else:
            if not own_place and beside.read(root, folder, owner) is Presence.FOREIGN:
                raise DataAtRisk(f"{path} is another server's; give this one its own `source:`")
            _claim(path, folder, owner)
            if own_place:
                beside.note(path.parent, key).unlink(missing_ok=True)
            else:
                beside.release(root, folder, owner)
    failpoints.point("data.marked")


def _claim(path: Path, folder: int, owner: Owner) -> None:
    found = markers.read(folder, owner)
    if found is Presence.ABSENT and not markers.claim(folder, owner):
        found = Presence.FOREIGN  # another claim was faster
    if found is Presence.FOREIGN:
        raise DataAtRisk(f"{path} is marked as another server's; move it away first")


def _check_above(path: Path, owner: Owner) -> None:
    """Refuse a `source:` that lies inside another server's data."""
    for above in path.resolve().parents:
        with suppress(OSError), markers.opened(above) as folder:
            other = markers.owner_of(folder)
            if other is not None and (other.id, other.fleet) != (owner.id, owner.fleet):
                who = f"server {other.name!r} of fleet {other.fleet!r}"
                raise DataAtRisk(f"{path} lies in {above}, which is the data of {who}")
