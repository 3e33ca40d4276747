"""Follows the logs of servers that start, until one shows the line of its `ready:`.

Each start is read once, from its beginning, line by line: a follower holds no line but the present
one, and ends with its find. `readiness` draws the conclusions, and the memory keeps them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from zedops.errors import EngineUnreachable, ZedopsError
from zedops.protocol.sync import DesiredServer
from zedops.spec.log_pattern import compiled
from zedops_agent.engine.log_reader import LogReader
from zedops_agent.log_lines import clean, raw_lines
from zedops_agent.memory import process
from zedops_agent.observed import Container, LogLine

log = logging.getLogger(__name__)


@dataclass
class _Follower:
    """One reading of the log of one process."""

    process: str
    pattern: str
    reader: LogReader
    found: LogLine = LogLine.AWAITED
    broken: bool = False  #: the connection broke: the next look begins again
    ended: threading.Event = field(default_factory=threading.Event)

    def is_about(self, process: str, pattern: str) -> bool:
        """Say whether it follows this process for this line."""
        return (self.process, self.pattern) == (process, pattern) and not self.broken


class ReadyWatch:
    """Follows servers' logs. Safe to use from several threads."""

    def __init__(
        self, open_reader: Callable[[str], LogReader], mark: Callable[[set[str]], None]
    ) -> None:
        self._open, self._mark = open_reader, mark
        self._lock = threading.Lock()
        self._followers: dict[str, _Follower] = {}
        self._closed = False

    def line_of(self, want: DesiredServer, container: Container, known: str) -> LogLine:
        """Say whether a container's log has shown its line; begin to follow it if not.

        `known` is the process that has shown its line before.
        """
        pattern = want.definition.ready.log if want.definition.ready is not None else None
        if pattern is None or not container.running:
            return LogLine.UNASKED
        here = process(container)
        if known == here:
            self.forget(want.id)
            return LogLine.SHOWN
        with self._lock:
            follower = self._followers.get(want.id)
            if follower is not None and follower.is_about(here, pattern):
                return follower.found
            if self._closed:
                return LogLine.AWAITED
            made = _Follower(here, pattern, self._open(container.id))
            self._followers[want.id] = made
        _end(follower)
        since = container.finished_at  # the lines of an earlier run are from before its end
        name = f"ready-{want.name}"
        threading.Thread(target=self._follow, args=(want, made, since), name=name,
                         daemon=True).start()
        return LogLine.AWAITED

    def forget(self, server_id: str) -> None:
        """Follow a server no more."""
        with self._lock:
            follower = self._followers.pop(server_id, None)
        _end(follower)

    def close(self) -> None:
        """End every reading."""
        with self._lock:
            self._closed = True
            left = [*self._followers.values()]
        for each in left:
            _end(each)

    def _follow(self, want: DesiredServer, mine: _Follower, since: datetime | None) -> None:
        try:
            if self._finds(mine, since):
                mine.found = LogLine.SHOWN
        except EngineUnreachable:
            mine.broken = True
        except ZedopsError as error:  # not every logging driver can be read back
            said = "%s: cannot look for the line of `ready:` in its log: %s; it counts as ready"
            log.warning(said, want.name, error, extra={"server": want.name})
            mine.found = LogLine.UNREADABLE
        except Exception:
            log.exception("following the log of %s failed", want.name)
            mine.found = LogLine.UNREADABLE
        if not mine.ended.is_set() and mine.found is not LogLine.AWAITED:
            self._mark({want.id})

    def _finds(self, mine: _Follower, since: datetime | None) -> bool:
        pattern, begin = compiled(mine.pattern), _nanoseconds(since)
        seconds = str(int(since.timestamp())) if since is not None else ""
        messages = mine.reader.read(None, since=seconds, follow=True)
        for at, _, body, _ in raw_lines(messages):
            if mine.ended.is_set():
                return False
            if at > begin and pattern.is_in(clean(body)):
                return True
        return False


def _nanoseconds(at: datetime | None) -> str:
    """Write a time as the lines of a log have it."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _end(follower: _Follower | None) -> None:
    if follower is not None:
        follower.ended.set()
        follower.reader.abort()
