"""Marks of data volumes that hold nothing yet.

Many images need an empty directory for their first start (`initdb`), so an empty volume carries no
marker file. zedops keeps the mark beside it until the server has written its first data. For its
own places the mark is in the server's home. For a `source:` it is an attribute of the directory;
where the file system has none, a file in the data root names device and inode. So one directory
has one owner, by any path that leads there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from zedops.system import files
from zedops_agent.markers import Owner
from zedops_agent.observed import Presence

_ATTRIBUTE = "user.zedops"
_NO_ATTRIBUTES = (errno.ENOTSUP, errno.EPERM, errno.ENOSPC, errno.E2BIG)
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def note(home: Path, key: str) -> Path:
    """Give the path of the mark of an empty volume in zedops' own place."""
    return home / f".zedops.{key}.json"


def is_note(name: str) -> bool:
    """Say whether an entry of a server's home is a mark of zedops, and no volume."""
    return name.startswith(".zedops.")


def read(root: Path, folder: int, owner: Owner) -> Presence:
    """Read the owner of an open, empty directory with a `source:`. Raises OSError."""
    said = _attribute(folder) or _file(root, folder)
    if said is None:
        return Presence.ABSENT
    mine = said.get("id") == owner.id and said.get("fleet", owner.fleet) == owner.fleet
    return Presence.PRESENT if mine else Presence.FOREIGN


def claim(root: Path, folder: int, owner: Owner) -> bool:
    """Claim an open, empty directory for a server; False if another one has it. One of two wins."""
    said = {"id": owner.id, "name": owner.name, "fleet": owner.fleet}
    with _alone(root):
        found = read(root, folder, owner)
        if found is not Presence.ABSENT:
            return found is Presence.PRESENT
        try:
            os.setxattr(folder, _ATTRIBUTE, json.dumps(said).encode(), os.XATTR_CREATE)
        except FileExistsError:  # an agent with another data root was faster
            return False
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise
            files.write(_path(root, folder), json.dumps({**said, "boot": _boot()}).encode())
    return True


def release(root: Path, folder: int, owner: Owner) -> None:
    """Remove a server's mark from an open directory. Raises OSError."""
    if read(root, folder, owner) is not Presence.PRESENT:
        return
    with contextlib.suppress(OSError):
        os.removexattr(folder, _ATTRIBUTE)
    _path(root, folder).unlink(missing_ok=True)


def _attribute(folder: int) -> dict[str, str] | None:
    try:
        said = json.loads(os.getxattr(folder, _ATTRIBUTE))
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _file(root: Path, folder: int) -> dict[str, str] | None:
    """Read the file of this boot: after a reboot, the device number may name another disk."""
    try:
        said = json.loads(files.read(_path(root, folder)))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get("boot") == _boot() else None


def _path(root: Path, folder: int) -> Path:
    status = os.fstat(folder)
    return _claims(root) / f"{status.st_dev}-{status.st_ino}.json"


def _claims(root: Path) -> Path:
    return root / "servers" / ".claims"


def _boot() -> str:
    return _BOOT.read_text().strip()


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Lock the claims under this data root: only one thread or process changes them."""
    folder = _claims(root)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
