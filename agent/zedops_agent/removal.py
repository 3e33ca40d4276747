"""Removes a server's data from this host, only for a purge that asked for it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from zedops.errors import DataAtRisk, EngineFailed
from zedops.spec.model import Definition
from zedops.system import failpoints
from zedops_agent import beside, markers, mounts
from zedops_agent.markers import MARKER, OURS, Owner
from zedops_agent.observed import Presence
from zedops_agent.volumes import Places, home_path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: A directory in a server's home; a removal moves a volume's directories into it, one by one.
_REST = ".zedops.rest"


def remove(root: Path, places: Places, owner: Owner, definition: Definition) -> None:
    """Remove a server's data, and its marker from a person's own places."""
    _release(root, places, owner, definition)
    remove_home(root, owner)


def _release(root: Path, places: Places, owner: Owner, definition: Definition) -> None:
    """Remove this server's marker from a person's own places; their content stays."""
    for key, volume in definition.volumes.items():
        path = places[key]
        if volume.source is None or path is None:
            continue
        try:
            with markers.opened(path) as folder:
                if markers.read(folder, owner) is Presence.PRESENT:
                    os.unlink(MARKER, dir_fd=folder)
                beside.release(root, folder, owner)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise EngineFailed(f"cannot unmark {path}: {error}") from error


def remove_home(root: Path, owner: Owner) -> None:
    """Remove all data of a server.

    Raises DataAtRisk before any change, unless the directory's marker names this server, no marker
    in it names another one, and no link or mount point leads out of it.
    """
    home = home_path(root, owner.id)
    try:
        if not home.is_symlink() and not any(home.iterdir()):
            home.rmdir()  # an interrupted purge left it empty, or it always was
            return
        _check(home, owner)
        for each in sorted(home.iterdir()):
            if not beside.is_note(each.name):
                remove_tree(home, each.name)
                failpoints.point("purge.begun")
        remove_tree(home, _REST)  # an interrupted purge may have left it
        failpoints.point("purge.emptied")
        # the marker last: after an interrupted purge it still names the owner
        for each in sorted(home.iterdir(), key=lambda each: each.name in OURS):
            each.unlink(missing_ok=True)
        failpoints.point("purge.unmarked")
        home.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        remedy = "see to its disk"
        if error.errno in (errno.EACCES, errno.EPERM):
            remedy = f"its container wrote there as another user; `rm -r {home}` as root"
        fact = f"cannot remove {home}: {error.strerror}"
        raise EngineFailed(f"{fact}; {remedy}, then `zedops retry`") from error


def _check(home: Path, owner: Owner) -> None:
    retry = "then `zedops retry`"
    if home.is_symlink():
        fact = f"{home} was not removed: it is a link to {home.readlink()}"
        raise DataAtRisk(f"{fact}; remove both by hand, {retry}")
    for each in [home, *sorted(home.iterdir())]:
        if each.is_symlink():
            fact = f"{home} was not removed: {each.name!r} in it is a link to {each.readlink()}"
            raise DataAtRisk(f"{fact}; remove both by hand, {retry}")
        if _is_foreign(each, owner, must=each == home):
            which = "it" if each == home else f"{each.name!r} in it"
            fact = f"{home} was not removed: {which} is not marked as this server's"
            raise DataAtRisk(f"{fact}; look at it and remove it by hand")
    for mounted in mounts.below(home.resolve()):
        fact = f"{home} was not removed: {mounted} is a mount point"
        raise DataAtRisk(f"{fact}; unmount it, {retry}")


def _is_foreign(place: Path, owner: Owner, *, must: bool) -> bool:
    try:
        with markers.opened(place) as folder:
            found = markers.read(folder, owner)
    except NotADirectoryError:
        return False
    except OSError:
        return True
    return found is not Presence.PRESENT and (must or found is not Presence.ABSENT)


def remove_aside(home: Path, name: str) -> None:
    """Remove a former world from a server's home. Raises DataAtRisk if a disk is mounted in it."""
    place = home / name
    if not place.is_symlink() and (mounted := mounts.below(place.resolve())):
        raise DataAtRisk(f"{place} was not removed: {mounted[0]} is a mount point")
    remove_tree(home, name)


def remove_tree(home: Path, name: str) -> None:
    """Remove a directory of any depth, or a file, without following a link.

    It moves inner directories up into one directory until none is left, so that neither a path nor
    the stack grows with the depth.
    """
    with contextlib.ExitStack() as stack:
        above = os.open(home, _FOLDER)
        stack.callback(os.close, above)
        if not _is_directory(name, above):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=above)
            return
        with contextlib.suppress(FileExistsError):
            os.mkdir(_REST, 0o700, dir_fd=above)
        rest = os.open(_REST, _FOLDER, dir_fd=above)
        stack.callback(os.close, rest)
        if name != _REST:
            os.rename(name, _free(rest, 0), src_dir_fd=above, dst_dir_fd=rest)
        moved = 0
        while left := _names(rest):
            for each in left:
                moved = _empty(each, rest, moved + 1)
        os.rmdir(_REST, dir_fd=above)


def _free(rest: int, number: int) -> str:
    while True:
        name = f"{number:x}"
        try:
            os.stat(name, dir_fd=rest, follow_symlinks=False)
        except FileNotFoundError:
            return name
        number += 1


def _empty(name: str, rest: int, moved: int) -> int:
    """Remove one directory after moving those in it beside it. Returns the number moved so far."""
    folder = os.open(name, _FOLDER, dir_fd=rest)
    try:
        for each in _names(folder):
            if _is_directory(each, folder):
                target = _free(rest, moved)
                os.rename(each, target, src_dir_fd=folder, dst_dir_fd=rest)
                moved = int(target, 16) + 1
            else:
                os.unlink(each, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=rest)
    return moved


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _is_directory(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
