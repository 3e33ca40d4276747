"""Follows logs for open tabs: one stream for each server, however many tabs show it.

A thread reads the stream, and waits while the tabs have not been given what it read. So a log that
is faster than `_BATCH` lines every `_PACE_S` waits in its file, and after a while is skipped
forward. A tab that reads too slowly is let go; it comes back by itself and names its last line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from zedops.control import client
from zedops.control.log_stream import records
from zedops.errors import ZedopsError
from zedops.protocol.log_lines import Line
from zedops.web.log_pages import Shown, Source

log = logging.getLogger(__name__)

_BATCH, _PACE_S = 300, 0.1
#: So many full batches in a row: the tabs are shown the newest lines instead.
_TOO_MANY = 20
_KEPT = 500  #: lines for a tab that comes, or comes back
_BEHIND = 30  #: batches that a slow tab may be behind
_FOLLOW_S = 30.0  #: a stream without tabs ends after this at the latest
_AGAIN_S = 1.0
MOST = 100  #: logs that are followed at once

#: A line; None: lines are left out here; a text: why nothing comes.
Piece = Shown | None | str
Tab = asyncio.Queue[list[Piece] | None]


class Tails:
    """The logs that tabs follow. All but the threads within belongs to the event loop."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    async def follow(
        self, hub: Path, sources: Sequence[Source], after: Sequence[str]
    ) -> AsyncIterator[tuple[list[Piece], str]]:
        """Give a tab the lines after its last ones, then new ones, with the last ids then.

        `after` has an id for each source, or "". Ends if the tab is too slow.
        """
        tab: Tab = asyncio.Queue(_BEHIND)
        seen = Seen(sources, after)
        tails = [self._tail(hub, each) for each in sources]
        try:
            for each, last in zip(tails, after, strict=True):
                each.add(tab, last)
            while (pieces := await tab.get()) is not None:
                if news := seen.news(pieces):
                    yield news, seen.stamp
        finally:
            for each in tails:
                each.tabs.discard(tab)

    def _tail(self, hub: Path, source: Source) -> _Tail:
        self._tails = {key: each for key, each in self._tails.items() if each.is_on or each.tabs}
        if source.id not in self._tails:
            if len(self._tails) >= MOST:
                raise ZedopsError(f"{MOST} logs are followed now; close a tab")
            self._tails[source.id] = _Tail(hub, source)
        return self._tails[source.id]


class Seen:
    """What a tab has of each log: lines that it has are left out, gaps become visible."""

    def __init__(self, sources: Sequence[Source], after: Sequence[str]) -> None:
        self._last = {each.name: last for each, last in zip(sources, after, strict=True)}
        self._joined = {each.name for each, last in zip(sources, after, strict=True) if not last}
        self._begun = set(self._joined)

    @property
    def stamp(self) -> str:
        """Name the last lines, in the order of the sources."""
        return "|".join(self._last.values())

    def news(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Leave out what the tab has."""
        made: list[Piece] = []
        for each in pieces:
            if isinstance(each, Shown):
                if each.name not in self._joined:
                    is_old = each.line.id <= self._last[each.name]
                    if not is_old:
                        self._joined.add(each.name)
                        made += [] if each.name in self._begun else [None]
                    self._begun.add(each.name)
                    if is_old:
                        continue
                self._last[each.name] = each.line.id
            made.append(each)
        return made


class _Tail:
    """One server's log."""

    def __init__(self, hub: Path, source: Source) -> None:
        self._hub, self._source = hub, source
        self._loop = asyncio.get_running_loop()
        self.tabs: set[Tab] = set()
        self.is_on = False
        self._past: deque[Shown | None] = deque(maxlen=_KEPT)
        self._pending: list[Piece] = []
        self._room = threading.Condition()
        self._is_due = False
        self._full = 0
        self._state = ""

    def add(self, tab: Tab, after: str) -> None:
        """Let a tab in."""
        past = list(self._past)
        # with the last line that the tab has: so it sees that nothing is missing
        have = [n for n, each in enumerate(past) if each is not None and each.line.id <= after]
        missed: list[Piece] = [*past[have[-1] if have else 0:]]
        if missed or self._state:
            _put(tab, [*missed, *([self._state] if self._state else [])])
        with self._room:
            self.tabs.add(tab)
            if not self.is_on:
                self.is_on = True
                threading.Thread(target=self._run, name="web-log", daemon=True).start()

    def _run(self) -> None:
        last = self._past[-1].line.id if self._past and self._past[-1] else ""
        while True:
            state = ""
            try:
                last = self._stream(last)
            except ZedopsError as error:
                state = str(error)
            except Exception as error:
                log.exception("the log of %s cannot be followed", self._source.name)
                state = repr(error)
            if self._loop.is_closed():
                return
            with contextlib.suppress(ZedopsError):
                self._say([state])
            threading.Event().wait(_AGAIN_S)
            with self._room:
                if not self.tabs:
                    self.is_on = False
                    return

    def _stream(self, last: str) -> str:
        """Follow until the stream ends; returns the last line's id, empty to skip forward."""
        request: dict[str, object] = {
            "kind": "logs", "server_id": self._source.id, "lines": True, "follow": True,
            "follow_s": _FOLLOW_S, "tail": _KEPT,
        }
        if last:
            request["after"] = last
        for each in records(client.streamed(self._hub, request)):
            if not isinstance(each, Line):
                continue
            last = each.id
            if not self._say([Shown(self._source.name, each)]):
                self._say([None])
                return ""
            if not self.tabs:
                return last
        return last

    def _say(self, pieces: list[Piece]) -> bool:
        """Hand lines over, and wait for room; False if there are too many for the tabs."""
        with self._room:
            while len(self._pending) >= _BATCH and self._full < _TOO_MANY:
                self._room.wait(1)
            self._pending += pieces
            skips, self._full = self._full >= _TOO_MANY, self._full % _TOO_MANY
            if self._is_due:
                return not skips
            self._is_due = True
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, _PACE_S, self._hand)
        except RuntimeError as error:  # it is closed
            raise ZedopsError("the page is closing") from error
        return not skips

    def _hand(self) -> None:
        with self._room:
            pieces, self._pending, self._is_due = self._pending, [], False
            self._full = self._full + 1 if len(pieces) >= _BATCH else 0
            self._room.notify_all()
        self._past.extend(each for each in pieces if not isinstance(each, str))
        said = [each for each in pieces if isinstance(each, str)]
        if said:
            changed, self._state = said[-1] != self._state, said[-1]
            pieces = [each for each in pieces if not isinstance(each, str)]
            pieces += [self._state] if changed else []
        if pieces:
            for tab in list(self.tabs):
                if not _put(tab, pieces):
                    self.tabs.discard(tab)


def _put(tab: Tab, pieces: list[Piece]) -> bool:
    """Give a tab a batch; False if it is too slow and has to come back."""
    if tab.qsize() >= _BEHIND - 1:
        while not tab.empty():
            tab.get_nowait()
        tab.put_nowait(None)
        return False
    tab.put_nowait(pieces)
    return True
