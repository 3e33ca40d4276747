"""Tells a caller of the control socket how the fleet changes, row by row, until it hangs up.

The first message has every row; each later one has the rows that changed since, and names the
commit of main and a number that counts up. One caller serves any number of readers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zedops.fleet.fleet import Fleet
from zedops.manager.loop import Manager
from zedops.queries import overview

#: A message without news after this time: the write fails if the caller is gone.
BEAT_S = 10.0

Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class _News:
    """What changed since the last look, taken under the manager's lock."""

    fleet: Fleet
    paths: frozenset[str]
    waiting: frozenset[str]  #: ids among them whose hosts have still to act
    progress: dict[str, str]
    silent: list[str]
    is_whole: bool


class FleetWatch:
    """What one caller has been told."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._fleet: Fleet | None = None
        self._progress: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._silent: list[str] = []
        self._number = 0

    def run(self, say: Say, is_over: Callable[[], bool]) -> None:
        """Tell all news until the end; `say` raises once the caller is gone."""
        self._manager.wait_for(self._manager.wake(), 5)
        while not is_over():
            ends = time.monotonic() + BEAT_S
            with self._manager.changed:
                news = self._look()
                while news is None and (left := ends - time.monotonic()) > 0:
                    self._manager.changed.wait(left)
                    news = self._look()
            say({"beat": self._number} if news is None else self._told(news))

    def _look(self) -> _News | None:
        """Find what changed since the last look; None if nothing did."""
        manager, before = self._manager, self._fleet
        fleet, progress = manager.ledger.committed_fleet, dict(manager.calls.progress_of)
        silent = sorted(filter(manager.is_silent, fleet.settings.hosts))
        rested = {key for key in self._waiting if manager.ledger.at_rest(key)}
        stirred = rested | {key for key, _ in progress.items() ^ self._progress.items()}
        paths = self._changed(before, fleet)
        paths |= {each.path for key in stirred if (each := fleet.owner(key))}
        if before is not None and not paths and silent == self._silent:
            self._fleet = fleet
            return None
        owners = (fleet.documents[path].id for path in paths if path in fleet.documents)
        waiting = {key for key in owners if key and not manager.ledger.at_rest(key)}
        self._waiting = (self._waiting - stirred) | waiting
        self._fleet, self._progress, self._silent = fleet, progress, silent
        return _News(fleet, frozenset(paths), frozenset(waiting), progress, silent, before is None)

    @staticmethod
    def _changed(before: Fleet | None, fleet: Fleet) -> set[str]:
        if before is None:
            return set(fleet.documents)
        if fleet is before:
            return set()
        if (fleet.settings, fleet.presets) != (before.settings, before.presets):
            return {*fleet.documents, *before.documents}
        return fleet.differing(before)

    def _told(self, news: _News) -> dict[str, Any]:
        """Write news; this takes long for a large fleet, and needs no lock."""
        self._number += 1
        fleet = news.fleet
        there = [fleet.documents[path] for path in sorted(news.paths) if path in fleet.documents]
        return {
            "number": self._number, "commit": fleet.commit, "whole": news.is_whole,
            "fleet": fleet.settings.name, "hosts": list(fleet.settings.hosts),
            "silent": news.silent, "gone": sorted(news.paths - fleet.documents.keys()),
            "rows": [
                overview.row(fleet, each, waits=each.id is None or each.id in news.waiting,
                             progress=news.progress.get(each.id or ""))
                for each in there
            ],
        }
