"""Reads lines of logs for the page: of one server, or of several merged by time.

What a page holds is bounded here: so many servers, so many lines, so many readings at once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zedops.control import client
from zedops.control.log_stream import records
from zedops.errors import HostUnavailable, ZedopsError
from zedops.protocol.log_lines import MAX_LINES, MAX_SEARCH, End, Line, is_line_id, line_id

#: The lines of one page, and the servers of one.
COUNT, MOST_SERVERS = 200, 8
MAX_CONTEXT = 20
_AT_ONCE = threading.BoundedSemaphore(6)
_LEVELS = (
    ("error", re.compile(r"\b(ERROR|FATAL|SEVERE|CRITICAL|PANIC|EMERG|Error|Exception)\b|\[E\]")),
    ("warn", re.compile(r"\b(WARN|WARNING|Warning)\b|\[W\]")),
    ("debug", re.compile(r"\b(DEBUG|TRACE|VERBOSE)\b|\[D\]")),
)
_LEVEL_WITHIN = 160


@dataclass(frozen=True)
class Source:
    """A server whose log is read."""

    name: str
    id: str


@dataclass(frozen=True)
class Wanted:
    """What a reader asked for."""

    search: str = ""
    context: int = 0
    before: str = ""
    line: str = ""  #: the id of a line to show in its middle
    count: int = COUNT


@dataclass(frozen=True)
class Shown:
    """One line on the page."""

    name: str
    line: Line

    @property
    def level(self) -> str:
        """Name the level that the line says it has; empty where it says none."""
        head = self.line.text[:_LEVEL_WITHIN]
        return next((level for level, words in _LEVELS if words.search(head)), "")

    @property
    def key(self) -> str:
        """Name the line within the page."""
        return f"l-{self.name}-{self.line.id}"


@dataclass(frozen=True)
class LogPage:
    """The lines of a page, oldest first."""

    lines: tuple[Shown, ...] = ()
    is_first: bool = False  #: no older line exists
    cut_at: str = ""  #: a host gave up at this time of its log
    troubles: tuple[str, ...] = ()  #: why a server's lines are missing
    last: Mapping[str, str] = field(default_factory=dict)  #: the last line of each server

    @property
    def oldest(self) -> str:
        """Name the place of the next older page."""
        return self.lines[0].line.id if self.lines else self.cut_at


def read_wanted(said: Any) -> Wanted:
    """Read a URL's query; what cannot be read counts as not said."""
    context = said.get("context", "")
    number = int(context) if context.isascii() and context.isdigit() and len(context) < 4 else 0
    before, line = said.get("before", ""), said.get("line", "")
    if said.get("at") and not line:
        try:
            at = said["at"][:40]
            line = line_id(at if re.search(r"(Z|[+-]\d\d:?\d\d)$", at) else f"{at}+00:00")
        except (ValueError, OverflowError):
            line = ""
    return Wanted(
        said.get("q", "")[:MAX_SEARCH], min(number, MAX_CONTEXT),
        before if is_line_id(before) else "", line if is_line_id(line) else "",
    )


def look(hub: Path, sources: Sequence[Source], wanted: Wanted) -> LogPage:
    """Ask every server's host and merge the answers. HostUnavailable where all readers are busy."""
    if not _AT_ONCE.acquire(timeout=5):
        raise HostUnavailable("others read many logs now; try again in a moment")
    try:
        with ThreadPoolExecutor(len(sources)) as pool:
            made = list(pool.map(lambda each: _ask(hub, each, wanted), sources))
    finally:
        _AT_ONCE.release()
    return merge(made, wanted)


def merge(made: Sequence[LogPage], wanted: Wanted) -> LogPage:
    """Put the lines of several servers into the order of their times, and keep one page of them."""
    lines = [each for one in made for each in one.lines]
    if len(made) > 1:
        lines.sort(key=lambda each: each.line.at)  # stable: lines of one server keep their order
    left_out = max(0, len(lines) - wanted.count)
    if wanted.line:
        at = next((n for n, each in enumerate(lines) if each.line.id >= wanted.line), len(lines))
        lines = lines[max(0, at - wanted.count // 2):][:wanted.count]
    else:
        lines = lines[left_out:]
    cuts = [each.cut_at for each in made if each.cut_at]
    is_first = all(each.is_first or each.troubles for each in made) and not left_out
    troubles = tuple(text for each in made for text in each.troubles)
    return LogPage(tuple(lines), is_first and bool(made), max(cuts, default=""), troubles,
                   {name: last for each in made for name, last in each.last.items()})


def _ask(hub: Path, source: Source, wanted: Wanted) -> LogPage:
    request: dict[str, Any] = {
        "kind": "logs", "server_id": source.id, "lines": True, "tail": wanted.count,
    }
    if wanted.search:
        request |= {"search": wanted.search, "context": wanted.context}
    if wanted.line:
        request["around"] = wanted.line
    elif wanted.before:
        request["before"] = wanted.before
    lines: list[Shown] = []
    end = End()
    try:
        for each in records(client.streamed(hub, request)):
            if isinstance(each, End):
                end = each
            elif len(lines) < MAX_LINES:
                lines.append(Shown(source.name, each))
    except ZedopsError as error:
        return LogPage(troubles=(f"{source.name}: {error}",))
    last = {source.name: lines[-1].line.id if lines else ""}
    return LogPage(tuple(lines), end.is_first, end.cut_at, last=last)
