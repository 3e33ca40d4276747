"""Markers: small files that name the owner of a directory.

A container may write to the directory that carries its marker. So zedops reads a marker only if it
is a regular file, and makes it so that one of two claims wins.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from zedops.errors import LookOutdated
from zedops.system import files
from zedops_agent.observed import Presence

MARKER = ".zedops.json"
#: Names of zedops' own files in a directory; a kill during a claim leaves the first one.
OURS = (f"{MARKER}{files.PARTIAL}", MARKER)
#: The most bytes of a marker: a container may have put a larger file in its place.
MOST_BYTES = 1 << 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
_PARTIAL = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
#: File systems without hard links answer with one of these.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


@dataclass(frozen=True)
class Owner:
    """The owner of a directory, as its marker names it."""

    id: str
    fleet: str
    name: str = ""


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a directory, so that all calls are about the same one. Raises OSError."""
    descriptor = os.open(path, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(folder: int, owner: Owner) -> Presence:
    """Say whether an open directory carries an owner's marker. The marker may lack the fleet.

    Raises OSError if it cannot read a marker that is there.
    """
    try:
        return names(files.read_regular(MARKER, MOST_BYTES, dir_fd=folder), owner)
    except FileNotFoundError:
        return Presence.ABSENT
    except ValueError:  # it is no regular file
        return Presence.FOREIGN


def names(marker: bytes | str, owner: Owner) -> Presence:
    """Say whether the text of a marker names an owner."""
    try:
        said = json.loads(marker)
        same = said.get("id") == owner.id and said.get("fleet", owner.fleet) == owner.fleet
    except (ValueError, AttributeError, RecursionError):
        return Presence.FOREIGN
    return Presence.PRESENT if same else Presence.FOREIGN


def owner_of(folder: int) -> Owner | None:
    """Read the owner that a directory's marker names; None without a readable marker."""
    try:
        said = json.loads(files.read_regular(MARKER, MOST_BYTES, dir_fd=folder))
        return Owner(str(said["id"]), str(said.get("fleet", "")), str(said.get("name", "")))
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None


def claim(folder: int, owner: Owner) -> bool:
    """Mark an open directory; False if it carries another's marker. One of two claims wins.

    The marker appears whole, by a hard link, which never replaces another one. Raises OSError, or
    LookOutdated during another claim.
    """
    said = json.dumps({"id": owner.id, "name": owner.name, "fleet": owner.fleet}).encode()
    partial = OURS[0]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=folder)
    _write(folder, partial, said)
    try:
        os.link(partial, MARKER, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return read(folder, owner) is Presence.PRESENT
    except FileNotFoundError as error:
        raise LookOutdated("another claim of the directory is under way") from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _claim_without_links(folder, said)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
    # another claim may have put its own file under the source name of the link
    return read(folder, owner) is Presence.PRESENT


def _claim_without_links(folder: int, said: bytes) -> bool:
    try:
        _write(folder, MARKER, said)
    except FileExistsError:
        return False
    return True


def _write(folder: int, name: str, said: bytes) -> None:
    descriptor = os.open(name, _PARTIAL, 0o666, dir_fd=folder)
    try:
        os.fchmod(descriptor, 0o644)  # against the umask: programs copy their world with it
        os.write(descriptor, said)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
