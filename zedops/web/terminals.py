"""Terminals in containers: the output of each is a stream of one tab, its input comes by forms.

A thread reads the output and waits while the tab has not taken it, so a slow tab slows down its own
program only. A terminal ends with its tab, its session, or its person's right.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from zedops.control import client
from zedops.errors import UsageError, ZedopsError
from zedops.protocol.terminals import MAX_INPUT

log = logging.getLogger(__name__)

_MOST, _MOST_OWN = 50, 6
#: A tab begins to read within this time.
_BEGINS_S = 30.0
#: Pieces that a tab has not taken yet.
_BEHIND = 16
#: How often a silent terminal looks whether its person may still have it.
LOOK_S = 5.0


@dataclass
class Terminal:
    """One open terminal."""

    session: str
    who: str
    server: str  #: its id
    path: str  #: its file in the fleet
    host: str
    columns: int
    rows: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    begun: float = field(default_factory=time.monotonic)
    is_read: bool = False
    is_over: bool = False


class Terminals:
    """The terminals of all tabs."""

    def __init__(self, hub: Path) -> None:
        self._hub = hub
        self._open: dict[str, Terminal] = {}

    def add(self, made: Terminal) -> Terminal:
        """Take a terminal in. UsageError beyond the limits."""
        now = time.monotonic()
        self._open = {key: each for key, each in self._open.items()
                      if not each.is_over and (each.is_read or now - each.begun < _BEGINS_S)}
        own = sum(each.session == made.session for each in self._open.values())
        if len(self._open) >= _MOST or own >= _MOST_OWN:
            raise UsageError("too many terminals are open; close one")
        self._open[made.id] = made
        return made

    def find(self, session: str, name: str) -> Terminal:
        """Find a terminal of a session. UsageError for one that has ended."""
        found = self._open.get(name)
        if found is None or found.session != session or found.is_over:
            raise UsageError("this terminal has ended")
        return found

    async def output(self, terminal: Terminal) -> AsyncIterator[str | None]:
        """Give a terminal's output as it comes; None after a silence. Raises as it ends."""
        if terminal.is_read:
            raise UsageError("another tab shows this terminal")
        terminal.is_read = True
        loop = asyncio.get_running_loop()
        tab: asyncio.Queue[str | ZedopsError] = asyncio.Queue(_BEHIND)

        def hand_over(piece: str | ZedopsError) -> None:
            asyncio.run_coroutine_threadsafe(tab.put(piece), loop).result()

        thread = threading.Thread(
            target=self._read, args=(terminal, hand_over), name="web-terminal", daemon=True
        )
        thread.start()
        try:
            while True:
                try:
                    piece = await asyncio.wait_for(tab.get(), LOOK_S)
                except TimeoutError:
                    yield None
                    continue
                if isinstance(piece, ZedopsError):
                    raise piece
                yield piece
        finally:
            terminal.is_over = True
            self._open.pop(terminal.id, None)
            while not tab.empty():  # the thread may wait for room
                tab.get_nowait()
            threading.Thread(target=self._end, args=(terminal,), daemon=True).start()

    def _read(
        self, terminal: Terminal, hand_over: Callable[[str | ZedopsError], None]
    ) -> None:
        request = {
            "kind": "terminal", "server_id": terminal.server, "terminal": terminal.id,
            "columns": terminal.columns, "rows": terminal.rows, "who": terminal.who,
        }
        why: ZedopsError = UsageError("the terminal has ended")
        try:
            for piece in client.streamed(self._hub, request):
                if terminal.is_over:
                    return
                if piece:
                    hand_over(piece)
        except ZedopsError as error:
            why = error
        except Exception as error:
            log.exception("a terminal broke off")
            why = UsageError(repr(error))
        if not terminal.is_over:
            with contextlib.suppress(RuntimeError):  # the page is closing
                hand_over(why)

    def _end(self, terminal: Terminal) -> None:
        with contextlib.suppress(ZedopsError):  # it has ended there
            self._call(terminal, {"number": 1 << 50, "ends": True})

    async def type(
        self, terminal: Terminal, number: int, text: str, size: tuple[int, int] | None
    ) -> None:
        """Type text, and tell the size if it changed. ZedopsError where the host refuses."""
        data = b64encode(text.encode("utf-8", "replace")).decode()
        if len(data) > MAX_INPUT:
            raise UsageError("this is too much text at once")
        asked: dict[str, object] = {"number": number, "data": data}
        if size is not None:
            asked |= {"columns": size[0], "rows": size[1]}
        await run_in_threadpool(self._call, terminal, asked)

    def _call(self, terminal: Terminal, asked: dict[str, object]) -> None:
        request = {"kind": "type", "terminal": terminal.id, **asked}
        client.ask_hub(
            self._hub, {"do": "call", "host": terminal.host, "request": request}, lambda _: None
        )
