"""Messages about moves of worlds: what each host is asked for, what it has done, and the files.

A world goes over as a restic repository: one that both hosts reach, or one made for this move on
the old host. The manager copies the files of the latter from host to host. They never change once
they are written, and but for two their names are the hashes of their content.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zedops.protocol.message import Message
from zedops.spec.fields import Name, ServerId

#: A file of a repository, as restic names it, or its password.
FILE = (r"password|repository/config|repository/(?:index|keys|snapshots)/[0-9a-f]{64}"
        r"|repository/data/[0-9a-f]{2}/[0-9a-f]{64}")
FileName = Annotated[str, Field(pattern=f"^(?:{FILE})$")]
#: The most bytes of a file in one message.
PIECE_BYTES = 512 * 1024


class WorldSnapshot(Message):
    """A snapshot of a world, and what that world has."""

    snapshot: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    files: Annotated[int, Field(ge=0)]


class MoveOrder(Message):
    """What a host has to do for a move."""

    token: Annotated[str, Field(max_length=256)]  #: names the move
    role: Literal["give", "take"]
    peer: Name  #: the other host
    by_bus: bool  #: True: through a repository made for this move
    #: give: the server is stopped, make the last snapshot. take: put `snapshot` in its place.
    last: bool = False
    snapshot: WorldSnapshot | None = None  #: take: the snapshot to fetch


class MoveFacts(Message):
    """How far a host is with a move."""

    token: Annotated[str, Field(max_length=256)]
    base: WorldSnapshot | None = None  #: the snapshot of the running server
    last: WorldSnapshot | None = None  #: the one after it was stopped; it has not run since
    fetched: Annotated[str, Field(max_length=64)] | None = None  #: the new host has it, beside
    placed: Annotated[str, Field(max_length=64)] | None = None  #: it is the world there
    proven: bool = False  #: the server ran with it
    failure: Annotated[str, Field(max_length=1100)] | None = None


class MoveFilesRequest(Message):
    """Ask for the files of a move's repository on a host."""

    kind: Literal["move-files"] = "move-files"
    server_id: ServerId
    token: str


class MoveFilesReply(Message):
    """The files of a move's repository, with their sizes; those that are not whole yet apart."""

    kind: Literal["move-files"] = "move-files"
    files: dict[FileName, int] = Field(default={})
    parts: dict[FileName, int] = Field(default={})


class MoveReadRequest(Message):
    """Stream a file of a move's repository from an offset."""

    kind: Literal["move-read"] = "move-read"
    server_id: ServerId
    token: str
    name: FileName
    offset: Annotated[int, Field(ge=0)] = 0


class MoveWriteRequest(Message):
    """Add a piece to a file of a move's repository, at its present end."""

    kind: Literal["move-write"] = "move-write"
    server_id: ServerId
    token: str
    name: FileName
    offset: Annotated[int, Field(ge=0)]
    data: Annotated[str, Field(max_length=PIECE_BYTES * 4 // 3 + 8)]  #: base64
    whole: bool  #: it is the last piece


class MoveWriteReply(Message):
    """The size of a file after a piece was added."""

    kind: Literal["move-write"] = "move-write"
    size: int
