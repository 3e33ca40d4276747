"""Answers requests for lines of a log: the newest, older pages, the place of a line, a search.

A log may have a million lines, and the Engine can only read its last N. So a reading begins with
few of them and takes more until the answer is full. It holds as many lines as it answers with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from zedops.errors import HostUnavailable
from zedops.protocol.log_lines import MAX_LINES, End, write
from zedops.protocol.requests import LogsRequest
from zedops_agent import log_lines
from zedops_agent.engine.log_reader import LogReader
from zedops_agent.log_lines import Choice, Chosen

#: How many lines a reading takes, one after another; None: all.
_WINDOWS = (5_000, 50_000, 500_000, None)
#: A reading that has taken so long takes no larger window; one window takes at most the second.
_ENOUGH_S, _MOST_S = 5.0, 30.0
#: Readings at once: each costs the Engine and this process a core.
_AT_ONCE = threading.Semaphore(2)
_WAIT_S = 20.0
_CHUNK = 24 * 1024
#: What the Engine reads on each side of a line's time, because its own times may be out of order.
_BESIDE = timedelta(milliseconds=10)


class LogPage(Iterator[bytes]):
    """The stream of one answer. Another thread may abort it while it waits for the next line."""

    def __init__(self, open_reader: Callable[[], LogReader], asked: LogsRequest) -> None:
        self._open_reader, self._asked = open_reader, asked
        self._reader: LogReader | None = None
        self._aborted = False
        self._chunks = self._follow() if asked.follow else self._look()

    def __next__(self) -> bytes:
        return next(self._chunks)

    def abort(self) -> None:
        """End it, from any thread."""
        self._aborted = True
        if self._reader is not None:
            self._reader.abort()

    def _read(self, tail: int | None, *, follow: bool = False) -> Iterator[log_lines.Raw]:
        asked = self._asked
        self._reader = reader = self._open_reader()
        if self._aborted:
            reader.abort()
        since = str(asked.since) if asked.since else ""
        until = ""
        if asked.after:
            since = _seconds(asked.after, -_BESIDE)
        if asked.before and tail is None:
            until = _seconds(asked.before, _BESIDE)
        return log_lines.raw_lines(reader.read(tail, since=since, until=until, follow=follow))

    def _look(self) -> Iterator[bytes]:
        if not _AT_ONCE.acquire(timeout=_WAIT_S):
            raise HostUnavailable("its host reads other logs now; try again in a moment")
        try:
            chosen, end = self._choose()
        finally:
            _AT_ONCE.release()
        held = b""  # few large chunks: each costs a message between the machines
        for each in chosen.lines:
            held += write(each)
            if len(held) > _CHUNK:
                yield held
                held = b""
        yield held + write(end)

    def _choose(self) -> tuple[Chosen, End]:
        """Read larger and larger parts of the log's end until the answer is full."""
        begun, found = time.monotonic(), Chosen((), 0, "", is_full=False, is_to_end=False)
        for window in _WINDOWS:
            chosen = self._window(window, may_give_up=window != _WINDOWS[0])
            if chosen is None:  # it took too long: the last answer is whole, as far as it reaches
                break
            is_first = chosen.is_to_end and (window is None or chosen.read < window)
            is_first = is_first or (window is None and bool(self._asked.before))
            if is_first or chosen.is_full or self._aborted:
                return chosen, End(is_first and not chosen.is_full)
            found = chosen
            if time.monotonic() - begun > _ENOUGH_S:
                break
        return found, End(cut_at=found.first)

    def _window(self, window: int | None, *, may_give_up: bool) -> Chosen | None:
        asked, late = self._asked, threading.Event()
        choice = Choice(
            max(1, min(asked.tail, MAX_LINES)), asked.before or "", asked.after or "",
            asked.around or "", asked.search or "", asked.context or 0,
        )
        raws = self._read(window)

        def give_up() -> None:
            late.set()
            if self._reader is not None:
                self._reader.abort()

        timer = threading.Timer(_MOST_S, give_up)
        if may_give_up:
            timer.start()
        try:
            if choice.after:
                raws = log_lines.later(raws, choice.after)
            made = log_lines.around if choice.around else log_lines.newest
            chosen = made(raws, choice)
        finally:
            timer.cancel()
            if self._reader is not None:
                self._reader.abort()
        return None if late.is_set() else chosen

    def _follow(self) -> Iterator[bytes]:
        """Give the last lines, or those after one, then each new one."""
        asked, timer = self._asked, threading.Timer(self._asked.follow_s or 0, self.abort)
        tail = max(0, min(asked.tail, MAX_LINES))
        raws = self._read(tail, follow=True)
        if asked.after:
            raws = log_lines.later(raws, asked.after)
        has = log_lines.finder(asked.search) if asked.search else None
        if asked.follow_s:
            timer.start()
        try:
            for raw in raws:
                if has is None or has(raw[2]):
                    yield write(log_lines.line(raw))
            yield write(End())
        finally:
            timer.cancel()
            self.abort()


def _seconds(line_id: str, beside: timedelta) -> str:
    """Write a line's time as the Engine takes it: seconds since 1970, with a fraction."""
    at = datetime.fromisoformat(f"{line_id[:26]}+00:00") + beside
    return f"{at.timestamp():.6f}"
