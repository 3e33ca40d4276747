"""Collects the next state commit: touched files and transitions since the last commit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from zedops.fleet import audit
from zedops.fleet.fleet import Fleet
from zedops.fleet.lifecycle import SETTLED
from zedops.spec import state_block
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.state import State, Status

#: Delay of a commit: in a quiet fleet; soon after another commit; while servers are not at rest
#: (creating). The last one lets a whole start become one commit.
QUIET_S, BUSY_S, UNSETTLED_S = 0.05, 0.2, 1.0
#: A fleet is quiet once its last commit is older than this.
CALM_S = 1.0
#: A server with this many commits within the window flaps, and waits longer for the next.
FLAPPING_COMMITS, FLAPPING_WINDOW_S, FLAPPING_S = 6, 60.0, 10.0
#: With news of more servers than this the commit waits as for servers not at rest. One host or all
#: came back then, and examining each server after every report costs more than the delay.
STORM = 200
#: Statuses that are committed at once, even if zedops is about to heal them.
_TROUBLE = frozenset({Status.MISSING, Status.STOPPED, Status.FAILED, Status.UNKNOWN})
#: After these, `stopped` usually is the goal. A server that ended at once may wait a second.
_MAKING = frozenset({Status.PENDING, Status.CREATING})


@dataclass
class _Entry:
    name: str
    path: list[Status | None]
    state: State
    times: list[datetime] = field(default_factory=list)
    purged: bool = False
    urgent: bool = False


def _is_trouble(path: list[Status | None]) -> bool:
    return any(
        after in _TROUBLE and not (after is Status.STOPPED and before in _MAKING)
        for before, after in pairwise(path)
    )


@dataclass
class Journal:
    """The next state commit in the making."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _files: set[str] = field(default_factory=set)
    #: Times of the newest commits about each server.
    _told: dict[str, tuple[float, ...]] = field(default_factory=dict)
    #: The definition's commit at the newest of them.
    _told_of: dict[str, str | None] = field(default_factory=dict)
    #: Hosts wait for the next commit.
    urgent: bool = False
    #: Times of the oldest uncommitted change and of the last commit.
    _since: float | None = None
    _cleared: float = -math.inf

    def touch(self, path: str) -> None:
        """Note that the next commit writes or removes a file."""
        self._files.add(path)

    def add(self, each: Document, before: Status | None, *, urgent: bool = False) -> None:
        """Note a server's new state. Urgent: its host waits until git has it."""
        if each.state is None:
            return
        self.touch(each.path)
        fresh = _Entry(each.name, [before], each.state)
        entry = self._entries.setdefault(each.state.id, fresh)
        entry.name, entry.state = each.name, each.state
        entry.urgent = entry.urgent or urgent
        self.urgent = self.urgent or urgent
        if entry.path[-1] is not each.state.status or len(entry.path) == 1:
            entry.path.append(each.state.status)
            if each.state.since is not None:
                entry.times.append(each.state.since)

    def add_purge(self, grave: Document, state: State) -> None:
        """Note that the next commit removes a tombstone."""
        self.touch(grave.path)
        self._entries[state.id] = _Entry(grave.name, [state.status], state, purged=True)

    def __contains__(self, server_id: str) -> bool:
        return server_id in self._entries

    def __len__(self) -> int:
        """Count the files of the next commit."""
        return len(self._files)

    @property
    def empty(self) -> bool:
        """Say whether git has everything."""
        return not self._files

    def due(self, now_s: float) -> float | None:
        """Give the time of the next commit on a monotonic clock; None if there is none to make."""
        if self.empty:
            self._since = None
            return None
        if self._since is None:
            self._since = now_s
        quiet = now_s - self._cleared > CALM_S
        return now_s if self.urgent else self._since + self.wait_s(now_s, quiet=quiet)

    def wait_s(self, now_s: float, *, quiet: bool) -> float:
        """Give the delay, in seconds, in which further changes join the next commit.

        It is short when all servers are at rest or one failed: people wait for that news. It is
        long while only flapping servers changed, so that they do not flood the history.
        """
        if len(self._entries) > STORM:
            return UNSETTLED_S
        happened = [each for key, each in self._entries.items() if not self._flaps(key, now_s)]
        if self._entries and not happened:
            return FLAPPING_S
        if any(each.path[0] is Status.UNKNOWN for each in happened):
            return UNSETTLED_S  # a host is back: the news of all its servers is one commit
        at_rest = all(each.state.status in SETTLED for each in happened)
        if at_rest or any(_is_trouble(each.path) for each in happened):
            return QUIET_S if quiet else BUSY_S
        return UNSETTLED_S

    def _flaps(self, server_id: str, now_s: float) -> bool:
        if self._is_answer(server_id):
            return False
        told = self._told.get(server_id, ())
        return sum(now_s - at < FLAPPING_WINDOW_S for at in told) >= FLAPPING_COMMITS

    def _is_answer(self, server_id: str) -> bool:
        """Say whether a person waits for this: it is urgent, or answers a new definition."""
        each = self._entries[server_id]
        return each.urgent or each.state.commit != self._told_of.get(server_id)

    def files(self, fleet: Fleet) -> tuple[dict[str, bytes | None], str]:
        """Make the next commit: its files (None removes one) and its message."""
        files: dict[str, bytes | None] = {}
        for path in sorted(self._files):
            each = fleet.documents.get(path)
            if each is not None and not each.is_read and kind_of(path) is Kind.SERVER:
                continue  # a broken file cannot take a state block: leave it as it is
            files[path] = state_block.render(each.head, each.state) if each else None
        if not self._entries:
            held = [each for path in files if (each := fleet.documents.get(path)) and each.problems]
            return files, audit.write_held([each.name for each in held])
        transitions = [
            audit.transition(
                each.name, each.path, each.state, purged=each.purged, times=each.times
            )
            for each in self._entries.values()
        ]
        return files, audit.write_message(transitions)

    def clear(self, at_s: float) -> None:
        """Note that git has everything; `at_s` is the commit's time on a monotonic clock."""
        for key, each in self._entries.items():
            before = () if self._is_answer(key) else self._told.get(key, ())
            self._told[key] = (*before[1 - FLAPPING_COMMITS :], at_s)
            self._told_of[key] = each.state.commit
        self._entries.clear()
        self._files.clear()
        self.urgent = False
        self._since, self._cleared = None, at_s
