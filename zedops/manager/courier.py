"""Carries the files of moves from host to host, where the two reach no common repository.

It looks at what each host has and adds what the new host lacks, piece by piece; a cut or a kill
costs one piece. It holds one piece at a time. A snapshot's own file goes last, so the new host
uses no snapshot before all that it needs. It decides nothing: the hosts check each piece.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator

from zedops.bus.interfaces import Bus
from zedops.errors import ZedopsError
from zedops.fleet.moving import Move
from zedops.protocol.moves import (
    PIECE_BYTES,
    MoveFilesReply,
    MoveFilesRequest,
    MoveReadRequest,
    MoveWriteReply,
    MoveWriteRequest,
)
from zedops.protocol.requests import expect
from zedops.system import failpoints

log = logging.getLogger(__name__)

#: The time between looks at what a host lacks.
LOOK_S = 0.3


class Courier:
    """Copies the files of all moves under way, in a thread of its own."""

    def __init__(
        self, bus: Bus, copies: Callable[[], list[tuple[str, Move]]],
        tell: Callable[[str, str], None],
    ) -> None:
        self._bus, self._copies, self._tell = bus, copies, tell
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="manager-courier", daemon=True)
        self._trouble: dict[str, str] = {}

    def start(self) -> None:
        """Begin to look for files to copy."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present piece."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            for server_id, move in self._copies():
                try:
                    self._carry(server_id, move)
                    self._trouble.pop(server_id, None)
                except ZedopsError as error:
                    if self._trouble.get(server_id) != str(error):
                        log.info("the world of %s is on its way: %s", server_id, error)
                    self._trouble[server_id] = str(error)
                except Exception:
                    log.exception("copying the world of %s failed; trying again", server_id)

    def _carry(self, server_id: str, move: Move) -> None:
        """Copy what the new host lacks."""
        asked = MoveFilesRequest(server_id=server_id, token=move.token)
        there = expect(self._bus.call(move.old, asked), MoveFilesReply, move.old)
        here = expect(self._bus.call(move.new, asked), MoveFilesReply, move.new)
        lacks = in_order(name for name in there.files if name not in here.files)
        whole, done = sum(there.files.values()), sum(here.files.values())
        for name in lacks:
            if self._stopping.is_set():
                return
            self._tell(server_id, f"its world goes to {move.new}: {100 * done // (whole or 1)} %")
            self._copy(server_id, move, name, there.files[name], here.parts.get(name, 0))
            done += there.files[name]

    def _copy(self, server_id: str, move: Move, name: str, size: int, offset: int) -> None:
        asked = MoveReadRequest(server_id=server_id, token=move.token, name=name, offset=offset)
        with contextlib.closing(self._bus.stream(move.old, asked)) as chunks:
            for piece in pieces(chunks, size - offset):
                if self._stopping.is_set():
                    return
                end = offset + len(piece)
                request = MoveWriteRequest(
                    server_id=server_id, token=move.token, name=name, offset=offset,
                    data=base64.b64encode(piece).decode(), whole=end == size,
                )
                reply = expect(self._bus.call(move.new, request), MoveWriteReply, move.new)
                failpoints.point("move.carried")
                if reply.size != end:  # it has another part than it said: look again
                    return
                offset = end


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the files of a repository: snapshots last, after all that they need."""
    return sorted(names, key=lambda name: (name.startswith("repository/snapshots/"), name))


def pieces(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join chunks into pieces, `size` bytes in all; an empty file is one empty piece."""
    held = bytearray()
    left = size
    for chunk in chunks:
        held += chunk
        while len(held) >= PIECE_BYTES or (held and len(held) >= left):
            piece = bytes(held[: min(PIECE_BYTES, left)])
            del held[: len(piece)]
            left -= len(piece)
            yield piece
            if left == 0:
                return
    if left == 0 == size:
        yield b""
