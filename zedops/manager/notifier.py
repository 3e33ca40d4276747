"""Sends messages to people through Apprise, from a thread of its own.

Callers never wait: a bounded queue takes notices, and counts and drops the surplus. Notices that
come together become one message. A target gets messages at a limited rate; after a failure the
messenger tries again, with growing pauses. URLs hold secrets, so neither they nor a library's words
about them reach the log.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from zedops.fleet.fleet import Fleet
from zedops.fleet.notifications import (
    Notice,
    backups_late,
    compose,
    may_go,
    of_commit,
    purges_ahead,
)
from zedops.manager.metrics import Metrics
from zedops.spec.settings import Event, Notify

log = logging.getLogger(__name__)

#: Names the variable that lists allowed URLs. A URL from an environment variable needs no entry.
ALLOW = "ZEDOPS_NOTIFY_ALLOW"
_KEPT = 200
#: `close` waits this long for the last messages.
_LAST_S = 3.0


@dataclass(frozen=True)
class Tempo:
    """The rate of messages; all in seconds."""

    gather_s: float = 2.0  #: notices within this become one message
    apart_s: float = 30.0  #: between two messages to one target
    retry_s: float = 15.0  #: pause after a failure; doubled each time
    longest_s: float = 600.0  #: the longest of these pauses
    look_s: float = 60.0  #: between two checks for purges ahead
    late_s: float = 600.0  #: between two checks for overdue backups, which read every definition


@dataclass
class _Target:
    """One entry of `notify:` with its waiting notices."""

    place: int
    wants: Notify
    waiting: deque[Notice] = field(default_factory=lambda: deque(maxlen=_KEPT))
    dropped: int = 0
    due_s: float = 0.0
    not_before_s: float = 0.0
    fails: int = 0
    told_of: set[str] = field(default_factory=set)
    complained: bool = False

    def add(self, notice: Notice, now_s: float, gather_s: float) -> None:
        if notice.event not in self.wants.on:
            return
        if not self.waiting:
            self.due_s = now_s + gather_s
        self.dropped += len(self.waiting) == _KEPT
        self.waiting.append(notice)

    @property
    def next_s(self) -> float:
        return max(self.due_s, self.not_before_s) if self.waiting else float("inf")


class Messenger:
    """Sends messages from `start` to `close`; `fleet` gives the newest known fleet."""

    def __init__(
        self, fleet: Callable[[], Fleet | None], metrics: Metrics, tempo: Tempo | None = None
    ) -> None:
        self._fleet, self._metrics, self._tempo = fleet, metrics, tempo or Tempo()
        self._wake = threading.Condition()
        self._told: deque[Notice | str] = deque(maxlen=_KEPT)
        self._ends_s: float | None = None
        self._targets: dict[tuple[int, Notify], _Target] = {}
        #: The overdue backups that the last look found, and the time of the next one.
        self._late: dict[str, Notice] = {}
        self._late_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)

    def tell(self, what: Notice | str) -> None:
        """Take a notice, or a state commit's message; returns at once."""
        with self._wake:
            self._told.append(what)
            self._wake.notify_all()

    def start(self) -> None:
        """Start the sending thread."""
        self._thread.start()

    def close(self) -> None:
        """Send the last messages, within a short time, and end."""
        with self._wake:
            self._ends_s = time.monotonic() + _LAST_S
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout=_LAST_S)

    # --- the thread

    def _run(self) -> None:
        next_look = 0.0
        while True:
            with self._wake:
                due = min([next_look, *(each.next_s for each in self._targets.values())])
                if not self._told and self._ends_s is None:
                    self._wake.wait(max(0.0, due - time.monotonic()))
                told, ending = list(self._told), self._ends_s is not None
                self._told.clear()
            try:
                now_s = time.monotonic()
                next_look = self._turn(told, now_s, next_look, ending=ending)
            except Exception:
                log.exception("telling people failed; going on")
                next_look = time.monotonic() + self._tempo.retry_s
            if ending:
                return

    def _turn(
        self, told: list[Notice | str], now_s: float, next_look: float, *, ending: bool
    ) -> float:
        fleet = self._fleet()
        if fleet is None:
            return now_s + self._tempo.look_s
        self._heed(fleet.settings.notify)
        for each in told:
            for notice in of_commit(each) if isinstance(each, str) else [each]:
                for target in self._targets.values():
                    target.add(notice, now_s, self._tempo.gather_s)
        if now_s >= next_look:
            self._look_ahead(fleet, now_s)
            next_look = now_s + self._tempo.look_s
        for target in self._targets.values():
            if target.waiting and (ending or time.monotonic() >= target.next_s):
                self._send(target, fleet.settings.name)
        return next_look

    def _heed(self, wanted: tuple[Notify, ...]) -> None:
        """Follow the settings; a target that stays keeps its waiting notices."""
        keys = list(enumerate(wanted))
        self._targets = {key: self._targets.get(key) or _Target(*key) for key in keys}

    def _look_ahead(self, fleet: Fleet, now_s: float) -> None:
        now, wants = datetime.now(UTC), [each.wants.on for each in self._targets.values()]
        if now_s >= self._late_at_s and any(Event.BACKUP in each for each in wants):
            self._late, self._late_at_s = dict(backups_late(fleet, now)), now_s + self._tempo.late_s
        for target in self._targets.values():
            ahead = {**self._late, **dict(purges_ahead(fleet, now, target.wants.ahead))}
            for key in ahead.keys() - target.told_of:
                target.add(ahead[key], now_s, self._tempo.gather_s)
            target.told_of = set(ahead)

    def _send(self, target: _Target, fleet: str) -> None:
        notices, dropped = list(target.waiting), target.dropped
        title, body = compose(fleet, notices, dropped)
        trouble = self._deliver(target, title, body)
        now_s = time.monotonic()
        if trouble is None:
            target.waiting.clear()
            target.dropped = target.fails = 0
            target.complained = False
            target.not_before_s = now_s + self._tempo.apart_s
            self._metrics.messages.labels("delivered").inc()
            return
        pause_s = min(self._tempo.retry_s * 2**target.fails, self._tempo.longest_s)
        target.fails = min(target.fails + 1, 16)
        target.not_before_s = now_s + pause_s
        self._metrics.messages.labels("failed").inc()
        if not target.complained:
            log.warning("notify[%d]: no message can be sent: %s; trying again now and then",
                        target.place, trouble)
        target.complained = True

    def _deliver(self, target: _Target, title: str, body: str) -> str | None:
        """Send one message; returns the failure in words without the URL, or None."""
        url = target.wants.url
        if url.startswith("${"):
            name = url[2:-1]
            url = os.environ.get(name, "")
            if not url:
                return f"the manager's environment has no {name}"
        elif not may_go(url, os.environ.get(ALLOW)):
            service = url.partition("://")[0]
            return f"{service}://… is not among {ALLOW} in the manager's environment; add it there"
        try:
            import apprise
        except ImportError:
            return "it needs: pip install 'zedops[notify]'"
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        try:
            sender = apprise.Apprise()
            if not sender.add(url):
                return "its URL is none that Apprise knows"
            if sender.notify(title=title, body=body):
                return None
        except Exception as error:  # noqa: BLE001 - its own words may hold the URL
            return f"{type(error).__name__} at {url.partition('://')[0]}://…"
        return f"{url.partition('://')[0]}://… did not take it"
