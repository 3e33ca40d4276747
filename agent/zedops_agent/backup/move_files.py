"""The repositories made for moves: each has one server's world, and a key of its own.

The old host makes it, the new host gets a copy, file by file; both remove theirs after the move.
A host reads and writes these files only while its own document orders that move.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from zedops.bus.interfaces import Stream
from zedops.errors import DataAtRisk, EngineFailed
from zedops.protocol.moves import (
    FILE,
    PIECE_BYTES,
    MoveFilesReply,
    MoveFilesRequest,
    MoveReadRequest,
    MoveWriteReply,
    MoveWriteRequest,
)
from zedops.protocol.sync import DesiredServer
from zedops.system import failpoints, files
from zedops_agent import removal
from zedops_agent.backup.restic import Restic

_FILE = re.compile(FILE)
_PART = ".part"
#: Files whose names are the hashes of their content.
_HASHED = re.compile(r"repository/(?:data|index|keys|snapshots)/.*")
#: Space that a copy leaves free.
_SPARE_BYTES = 64 << 20
_PRIVATE = 0o700


class MoveFiles:
    """The repositories of moves on one host, for one fleet."""

    def __init__(self, root: Path, fleet: str) -> None:
        self._home = root / "backups" / fleet / "moves"

    def folder(self, server_id: str, token: str) -> Path:
        """Give the directory of a move."""
        return self._home / f"{server_id}.{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    def open(
        self, server_id: str, token: str, ends: Callable[[], str | None], *, makes: bool
    ) -> Restic:
        """Open the repository of a move; the old host makes it. Raises ResticFailed."""
        place = self.folder(server_id, token)
        word = place / "password"
        if makes and not word.exists():
            for each in (self._home.parent.parent, self._home.parent, self._home, place):
                each.mkdir(mode=_PRIVATE, exist_ok=True)
            files.write(word, f"{secrets.token_urlsafe(32)}\n".encode())
            failpoints.point("move.keyed")
        password = {"RESTIC_PASSWORD": files.read(word).decode().strip()}
        opened = Restic(str(place / "repository"), place / "cache", password, ends)
        if makes and not (place / "repository" / "config").exists():
            opened.init()
        return opened

    def has(self, server_id: str, token: str, snapshot: str) -> bool:
        """Say whether a snapshot is here; its file comes after all that it needs."""
        place = self.folder(server_id, token) / "repository" / "snapshots"
        return any(not each.name.endswith(_PART) for each in place.glob(f"{snapshot}*"))

    def clean(self, server_id: str, token: str | None = None) -> None:
        """Remove the repositories of a server's moves, but for the one of `token`."""
        kept = self.folder(server_id, token).name if token is not None else ""
        for each in self._home.glob(f"{server_id}.*"):
            if each.name != kept:
                removal.remove_tree(self._home, each.name)

    def clean_all(self, ordered: Mapping[str, str]) -> None:
        """Remove the repositories of all moves but the ordered ones: their tokens, by server."""
        kept = {self.folder(key, token).name for key, token in ordered.items()}
        for each in self._home.glob("*"):
            if each.name not in kept:
                removal.remove_tree(self._home, each.name)

    # --- over the bus

    def listed(self, request: MoveFilesRequest) -> MoveFilesReply:
        """List the files of a move."""
        place = self.folder(request.server_id, request.token)
        whole, parts = {}, {}
        for path in sorted(each for each in place.rglob("*") if each.is_file()):
            name = path.relative_to(place).as_posix()
            if _FILE.fullmatch(name):
                whole[name] = path.stat().st_size
            elif name.endswith(_PART) and _FILE.fullmatch(name.removesuffix(_PART)):
                parts[name.removesuffix(_PART)] = path.stat().st_size
        return MoveFilesReply(files=whole, parts=parts)

    def read(self, request: MoveReadRequest) -> Stream:
        """Stream one file."""
        path = self.folder(request.server_id, request.token) / request.name
        return _Pieces(path, request.offset)

    def write(self, request: MoveWriteRequest) -> MoveWriteReply:
        """Add a piece to a file. A file that is whole takes its name only if its content fits."""
        folder = self.folder(request.server_id, request.token)
        path = folder / request.name
        try:
            data = base64.b64decode(request.data, validate=True)
        except binascii.Error as error:
            raise EngineFailed(f"a piece of {request.name} is unreadable: {error}") from error
        path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < len(data) + _SPARE_BYTES:
            raise DataAtRisk(f"{folder} has no room for the world; make room there")
        part = path.with_name(f"{path.name}{_PART}")
        with part.open("ab") as file:
            if file.tell() != request.offset:
                return MoveWriteReply(size=file.tell())
            file.write(data)
            if request.whole:
                file.flush()
                os.fsync(file.fileno())
            size = file.tell()
        failpoints.point("move.received")
        if request.whole:
            if _HASHED.fullmatch(request.name) and _hash(part) != path.name:
                part.unlink()
                raise EngineFailed(f"{request.name} was damaged on its way; it comes again")
            part.rename(path)
        return MoveWriteReply(size=size)

    def ordered(self, want: DesiredServer | None, token: str, role: str) -> None:
        """Check that this host's own document orders a move. Raises EngineFailed."""
        order = want.move if want is not None else None
        if order is None or order.token != token or order.role != role or not order.by_bus:
            raise EngineFailed("this host is not asked to move that server's world")


class _Pieces(Stream):
    """A file, in pieces."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path, self._offset, self._ends = path, offset, False
        self._pieces = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def abort(self) -> None:
        """End it."""
        self._ends = True

    def _read(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                while not self._ends and (piece := file.read(PIECE_BYTES)):
                    yield piece
        except OSError as error:
            raise EngineFailed(f"cannot read {self._path}: {error.strerror}") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
