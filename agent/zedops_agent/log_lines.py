"""Reads a container's log as lines with ids, and chooses among them. Pure.

The Engine sends messages with their times: a whole line, or a part of one longer than 16 KiB. All
functions take and give iterators, and hold as many lines as the answer has.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from zedops.protocol.log_lines import MAX_LINE, Line

#: `2026-12-01T13:48:00.123456789Z `, as the Engine writes it before each message.
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_TIME_BYTES = 30
#: Escape sequences of terminals: CSI, OSC up to its end, and those of two characters.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
#: Controls become visible; those of C1 and of text direction, which can hide what a line says, too.
_CONTROLS = {
    **{code: 0x2400 + code for code in range(32) if code != 9}, 127: 0x2421,
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
}

_NEVER = "0001-01-01T00:00:00.000000000Z"

Message = tuple[bool, bytes]  #: from stderr, and the bytes with their time
Raw = tuple[str, int, bytes, bool]  #: time, number among lines of this time, bytes, from stderr


def raw_lines(messages: Iterable[Message]) -> Iterator[Raw]:
    """Join messages to lines. What has no time of its own continues the line before."""
    at, count, held, error, open_ = "", 0, b"", False, False
    for is_error, message in messages:
        has_time = _TIME.match(message) is not None
        body = message[_TIME_BYTES + 1 :] if has_time else message
        if open_:
            if len(held) < MAX_LINE:
                held += body
        else:
            before, at = at, message[:_TIME_BYTES].decode() if has_time else at or _NEVER
            count = count + 1 if at == before else 0
            held, error = body, is_error
        open_ = not body.endswith(b"\n")
        if not open_:
            yield at, count, held, error
    if open_:
        yield at, count, held, error


def clean(raw: bytes) -> str:
    """Make a line's text safe to show: no escape sequences, visible controls, valid, bounded."""
    raw = raw.rstrip(b"\r\n")
    cut = len(raw) - MAX_LINE
    raw = raw[:MAX_LINE]
    if b"\x1b" in raw:
        raw = _ESCAPES.sub(b"", raw)
    if b"\r" in raw:  # a line that a program drew again and again: the last one counts
        raw = raw[raw.rindex(b"\r") + 1 :]
    text = raw.decode("utf-8", "replace").translate(_CONTROLS)
    return f"{text} … (cut)" if cut > 0 else text


def finder(search: str) -> Callable[[bytes], bool]:
    """Make a test for lines that have a text, in any case."""
    wanted = search.casefold()
    if search.isascii():
        needle = search.lower().encode()

        def has(raw: bytes) -> bool:
            if b"\x1b" in raw:
                raw = _ESCAPES.sub(b"", raw)
            return needle in raw.lower()

        return has
    return lambda raw: wanted in clean(raw).casefold()


@dataclass(frozen=True)
class Choice:
    """Which lines a reader wants: the last `count`, before, after or around a line."""

    count: int
    before: str = ""
    after: str = ""
    around: str = ""
    search: str = ""
    context: int = 0


@dataclass(frozen=True)
class Chosen:
    """The lines of one reading, and how it ended."""

    lines: tuple[Line, ...]
    read: int  #: lines of the log that were read
    first: str  #: the time of the first that was read
    is_full: bool  #: as many as were asked for
    is_to_end: bool  #: every line was read that the source had


def line(raw: Raw) -> Line:
    """Make a line to send."""
    at, count, body, error = raw
    return Line(f"{at}~{count}" if count else at, clean(body), is_error=error)


def newest(raws: Iterable[Raw], choice: Choice) -> Chosen:
    """Choose the newest lines, before a line if `choice` says so; with a search only its hits."""
    counted = _Counted(raws)
    source: Iterator[Raw] = iter(counted)
    end = choice.before
    if end:
        source = _until(source, end)
    if choice.search:
        groups = _hits(source, choice)
        kept: deque[Line] = deque(groups, maxlen=choice.count)
        lines = tuple(kept)
        return Chosen(lines, counted.read, counted.first,
                      len(lines) == choice.count, counted.ended)
    last: deque[Raw] = deque(source, maxlen=choice.count)
    return Chosen(tuple(map(line, last)), counted.read, counted.first,
                  len(last) == choice.count, counted.ended)


def around(raws: Iterable[Raw], choice: Choice) -> Chosen:
    """Choose a line with those before and after it; without the line, what is at its time."""
    counted = _Counted(raws)
    half = max(1, choice.count // 2)
    before: deque[Raw] = deque(maxlen=half)
    after: list[Raw] = []
    at, wanted = choice.around.partition("~")[0], _place(choice.around)
    for raw in counted:
        if not after and (raw[0], raw[1]) != wanted and raw[0] <= at:
            before.append(raw)
            continue
        after.append(raw)
        if len(after) > half:
            break
    lines = tuple(map(line, (*before, *after)))
    return Chosen(lines, counted.read, counted.first, len(before) == half, counted.ended)


def later(raws: Iterable[Raw], after: str) -> Iterator[Raw]:
    """Leave out the lines up to one that a reader has; without that line, those of its time."""
    at, wanted = after.partition("~")[0], _place(after)
    found = not after
    for raw in raws:
        if found:
            yield raw
        elif (raw[0], raw[1]) == wanted:
            found = True
        elif raw[0] > at:
            found = True
            yield raw


class _Counted:
    def __init__(self, raws: Iterable[Raw]) -> None:
        self._raws, self.read, self.first, self.ended = raws, 0, "", False

    def __iter__(self) -> Iterator[Raw]:
        for raw in self._raws:
            if not self.read:
                self.first = raw[0]
            self.read += 1
            yield raw
        self.ended = True


def _place(line_id: str) -> tuple[str, int]:
    at, _, count = line_id.partition("~")
    return at, int(count or 0)


def _until(raws: Iterable[Raw], end: str) -> Iterator[Raw]:
    """Give the lines before one; where it is gone, those before its time."""
    at, wanted = end.partition("~")[0], _place(end)
    held: list[Raw] = []  # lines of its time: before it, or after it if it is gone
    for raw in raws:
        if (raw[0], raw[1]) == wanted:
            yield from held
            return
        if raw[0] > at:
            return
        if raw[0] == at:
            held.append(raw)
        else:
            yield raw


def _hits(raws: Iterable[Raw], choice: Choice) -> Iterator[Line]:
    """Give the lines with a text and those beside them, as `grep -C` does."""
    has = finder(choice.search)
    before: deque[Raw] = deque(maxlen=choice.context)
    owed, gap = 0, True
    for raw in raws:
        if has(raw[2]):
            for each in (*before, raw):
                made = line(each)
                yield replace(made, is_hit=each is raw, follows_gap=gap)
                gap = False
            before.clear()
            owed = choice.context
        elif owed:
            owed -= 1
            yield line(raw)
        else:
            gap = gap or len(before) == choice.context
            before.append(raw)
