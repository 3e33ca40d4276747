"""Secrets as files: directories in the host's memory that containers see at `/run/secrets`.

This module writes nothing to a disk: without a tmpfs it refuses. The directory above keeps other
users of the host out; a file's owner is the container's user, its mode 0400. The files end with
their container, and with a reboot. After a reboot the agent writes them again before each start.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from zedops.errors import EngineFailed

#: The usual places of a tmpfs. The last one belongs to one user.
_PLACES = ("/run", "/dev/shm", f"/run/user/{os.getuid()}")  # noqa: S108 - checked before use

#: The directory in such a place: root's, and earlier releases' for each user.
TOP = "zedops-secrets"
_VERSION = re.compile(r"[0-9a-f]{16}")
#: For a directory of that name that another user has made first.
_TRIES = 5


def place(fleet: str, server_id: str, version: str) -> Path:
    """Give the path of one version of a server's secrets, in memory."""
    memory = _memory()
    tops = [memory / each for each in _tops()]
    mine = next((each for each in tops if _is_mine(each)), None)
    # only root makes directories in /run, so no other user can take its name there
    mays = tops if memory == Path("/run") else tops[1:]
    top = mine or next((each for each in mays if not os.path.lexists(each)), mays[-1])
    return top / fleet / server_id / version


def _tops() -> list[str]:
    """Name the directories that this user may have, in the order of the search."""
    own = f"{TOP}-{os.geteuid()}"
    return [TOP, own, *(f"{own}-{number}" for number in range(2, _TRIES))]


def _is_mine(top: Path) -> bool:
    """Say whether a directory belongs to this user alone; all users may write to /dev/shm."""
    try:
        found = top.lstat()
    except OSError:
        return False
    alone = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return stat.S_ISDIR(found.st_mode) and alone


def _memory() -> Path:
    mounted = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    for each in _PLACES:
        if [each, "tmpfs"] in mounted and os.access(each, os.W_OK):
            return Path(each)
    remedy = "mount one, or remove `secrets_as: files`"
    raise EngineFailed(f"this host has no tmpfs at {' or '.join(_PLACES[:2])}; {remedy}")


def prepare(where: Path) -> None:
    """Make a directory for a container's secrets, closed to other users of this host."""
    top = where.parents[2]
    try:
        top.mkdir(mode=0o700, exist_ok=True)
        if not _is_mine(top):
            raise EngineFailed(f"{top} is not this user's alone; remove it")
        where.mkdir(parents=True, exist_ok=True)
        where.chmod(0o755)
    except OSError as error:
        raise EngineFailed(f"cannot keep secrets in {where}: {error.strerror}") from error


def fill(where: Path, values: Mapping[str, str], uid: int) -> None:
    """Write the missing files; only user `uid` may read them."""
    prepare(where)
    for name, value in values.items():
        path, partial = where / name, where / f".{name}.new"
        if path.exists():
            continue
        try:
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                if uid != os.geteuid():
                    os.fchown(file.fileno(), uid, -1)
                file.write(value)
            partial.replace(path)
        except OSError as error:
            remedy = "" if os.geteuid() == 0 else "; without root use `secrets_as: env`"
            fact = f"cannot hand secret {name} to user {uid}: {error.strerror}"
            raise EngineFailed(fact + remedy) from error


def forget(fleet: str, server_id: str) -> None:
    """Remove all files of a server without a container, also after a removal by hand."""
    for each in _PLACES:
        for top in _tops():
            if _is_mine(Path(each, top)) and (home := Path(each, top, fleet, server_id)).is_dir():
                shutil.rmtree(home, ignore_errors=True)
                _drop_empty(home.parent)


def remove(fleet: str, server_id: str, where: str) -> None:
    """Remove a directory that `place` has named and no container mounts; leave others alone.

    A container's label for it may be a lie: labels come from images, too.
    """
    path = Path(where)
    if is_place(path, fleet, server_id):
        shutil.rmtree(path, ignore_errors=True)
        _drop_empty(path.parent, path.parent.parent)


def is_place(path: Path, fleet: str, server_id: str) -> bool:
    """Say whether this user made a directory for a server: a container may mount any other."""
    tops = [Path(each, top) for each in _PLACES for top in _tops()]
    top = next((each for each in tops if path.parent == each / fleet / server_id), None)
    if top is None or not _VERSION.fullmatch(path.name) or not _is_mine(top):
        return False
    return not path.is_symlink()


def _drop_empty(*folders: Path) -> None:
    with contextlib.suppress(OSError):  # other versions or other servers use it
        for each in folders:
            each.rmdir()
