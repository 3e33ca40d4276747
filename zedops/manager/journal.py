"""What git does not say yet: touched files, and what happened since the last commit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from zedops import audit, state_block
from zedops.document import Document
from zedops.fleet import Fleet, Kind, kind_of
from zedops.lifecycle import SETTLED
from zedops.model import State, Status

#: A quiet fleet's change is committed after this; the next one soon after it waits longer, and
#: what is not at rest yet (creating) waits for its end, so that one start is one commit.
QUIET_S, BUSY_S, UNSETTLED_S = 0.05, 0.2, 1.0
#: A fleet is quiet so long after a commit.
CALM_S = 1.0
#: A server in so many commits within the window waits longer for the next.
FLAPPING_COMMITS, FLAPPING_WINDOW_S, FLAPPING_S = 6, 60.0, 10.0
#: With news of more servers than this the next commit waits as if nothing were at rest: a host or
#: all of them came back, and to look at each of them after every report would cost more than that.
STORM = 200
#: Statuses that people want to hear of at once, even if zedops is about to heal them.
_TROUBLE = frozenset({Status.MISSING, Status.STOPPED, Status.FAILED, Status.UNKNOWN})
#: After these `stopped` is what was asked for, but for who fell at once: that may wait a second.
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
    #: When the newest commits about a server were made.
    _told: dict[str, tuple[float, ...]] = field(default_factory=dict)
    #: Which definition those were about.
    _told_of: dict[str, str | None] = field(default_factory=dict)
    #: Hosts wait for the next commit.
    urgent: bool = False
    #: When what is not committed was first seen, and when the last commit was made.
    _since: float | None = None
    _cleared: float = -math.inf

    def touch(self, path: str) -> None:
        """Note that a file must be written, or removed."""
        self._files.add(path)

    def add(self, each: Document, before: Status | None, *, urgent: bool = False) -> None:
        """Note what became of a server. Urgent: its host waits until that is in git."""
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
        """Note that a tombstone goes."""
        self.touch(grave.path)
        self._entries[state.id] = _Entry(grave.name, [state.status], state, purged=True)

    def __contains__(self, server_id: str) -> bool:
        return server_id in self._entries

    def __len__(self) -> int:
        """Count the files that git does not have as they are to be."""
        return len(self._files)

    @property
    def empty(self) -> bool:
        """Say whether git knows everything."""
        return not self._files

    def due(self, now_s: float) -> float | None:
        """Say when to commit, None for not at all; times are of a monotonic clock."""
        if self.empty:
            self._since = None
            return None
        if self._since is None:
            self._since = now_s
        quiet = now_s - self._cleared > CALM_S
        return now_s if self.urgent else self._since + self.wait_s(now_s, quiet=quiet)

    def wait_s(self, now_s: float, *, quiet: bool) -> float:
        """Say how long what is not committed waits for more.

        At rest, or something went wrong: people want to know. A server whose news came again and
        again is not let flood the history: what it does is told together.
        """
        if len(self._entries) > STORM:
            return UNSETTLED_S
        happened = [each for key, each in self._entries.items() if not self._flaps(key, now_s)]
        if self._entries and not happened:
            return FLAPPING_S
        if any(each.path[0] is Status.UNKNOWN for each in happened):
            return UNSETTLED_S  # a host is back: what it says of all its servers is one commit
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
        """Say whether a person waits for this: they asked for something since the last commit."""
        each = self._entries[server_id]
        return each.urgent or each.state.commit != self._told_of.get(server_id)

    def files(self, fleet: Fleet) -> tuple[dict[str, bytes | None], str]:
        """Make the next commit: its files (None removes one) and its message."""
        files: dict[str, bytes | None] = {}
        for path in sorted(self._files):
            each = fleet.documents.get(path)
            if each is not None and not each.is_read and kind_of(path) is Kind.SERVER:
                continue  # a state could not be written below it: their file stays as it is
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
        """Note that everything is in git now, since `at_s` of a monotonic clock."""
        for key, each in self._entries.items():
            before = () if self._is_answer(key) else self._told.get(key, ())
            self._told[key] = (*before[1 - FLAPPING_COMMITS :], at_s)
            self._told_of[key] = each.state.commit
        self._entries.clear()
        self._files.clear()
        self.urgent = False
        self._since, self._cleared = None, at_s
