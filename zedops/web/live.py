"""Server-sent events: each change is rendered once, and handed to every open tab.

A tab names the moment that it shows, `commit:number`, and gets what came since. Where that is no
longer known, or a tab reads too slowly, it is told to load itself again.

Events: `row` and `gone` (a server), `fleet` (the summary above the table), `reset` (load again).
Scripts turn each into a DOM event; a fragment that names it in `hx-trigger` loads itself again:

    <section hx-get="…" hx-trigger="zedops:row-s-NAME from:body">
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from zedops.web.fleet_view import Change

_KEPT = 500  #: changes that a tab may have missed
_BEHIND = 200  #: changes that a slow tab may be behind
_ROWS = 300  #: a change of more rows is told as a reset


@dataclass(frozen=True)
class Event:
    """One event of the stream, as text; `stamp` is the moment after it."""

    kind: str
    data: str
    stamp: str
    texts: Callable[[str], str] | None = None  #: the data by language, where it differs

    def data_in(self, language: str) -> str:
        """Give the data for a reader of a language."""
        return self.data if self.texts is None else self.texts(language)


Render = Callable[[Change], list[Event]]
Tab = asyncio.Queue[list[Event] | None]


class Live:
    """The open tabs, and the last changes. `tell` and `end` serve any thread; the rest
    belongs to the event loop."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._tabs: set[Tab] = set()
        self._past: deque[tuple[str, list[Event]]] = deque(maxlen=_KEPT)
        self._stamp = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the event loop of the tabs."""
        self._loop = loop

    def tell(self, change: Change) -> None:
        """Render a change and hand it to every tab. Called by the thread that follows."""
        if change.is_whole or len(change.rows) + len(change.gone) > _ROWS:
            events = [Event("reset", "the fleet was read again", change.view.stamp)]
        else:
            events = self._render(change)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand, change.view.stamp, events)

    def _hand(self, stamp: str, events: list[Event]) -> None:
        self._past.append((self._stamp, events))
        self._stamp = stamp
        for tab in list(self._tabs):
            try:
                tab.put_nowait(events)
            except asyncio.QueueFull:  # a slow reader: it comes back and is told what it missed
                self._tabs.discard(tab)
                tab.get_nowait()
                tab.put_nowait(None)

    async def follow(self, since: str) -> AsyncIterator[Event]:
        """Give a tab all changes since a moment, then each as it happens."""
        tab: Tab = asyncio.Queue(_BEHIND)
        missed = self._since(since)
        self._tabs.add(tab)
        try:
            for event in missed:
                yield event
            while not self._closed and (events := await tab.get()) is not None:
                for event in events:
                    yield event
        finally:
            self._tabs.discard(tab)

    def _since(self, stamp: str) -> list[Event]:
        if stamp == self._stamp or not self._stamp:
            return [Event("here", "", self._stamp)]
        stamps = [before for before, _ in self._past]
        if stamp not in stamps:
            return [Event("reset", "too much has changed", self._stamp)]
        later = list(self._past)[stamps.index(stamp):]
        return [event for _, events in later for event in events]

    def end(self) -> None:
        """Let every tab go. Any thread may call this."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closed = True
        for tab in self._tabs:
            while tab.full():
                tab.get_nowait()
            tab.put_nowait(None)


def packed(**facts: object) -> str:
    """Write the data of an event on one line."""
    return json.dumps(facts, ensure_ascii=False, default=str)
