"""Marks servers for a look by the Engine's events, and by a comparison at intervals.

It only marks: what an event means, the next look says.
"""

from __future__ import annotations

import logging
import threading
import time

from zedops.errors import EngineFailed, ZedopsError
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.kills import Kills
from zedops_agent.observer import Observer
from zedops_agent.store import Store
from zedops_agent.work_queue import Schedule

log = logging.getLogger(__name__)

#: The time between full comparisons with the Engine, in case the agent missed an event.
RESYNC_S = 60.0
END_DEBOUNCE_S = 0.03
#: The waits before the next question to an Engine that did not answer.
ENGINE_RETRY_S = 2.0


class EngineWatch:
    """Watches one fleet's containers, and whether the Engine answers at all."""

    def __init__(
        self, fleet: str, engine: Engine, store: Store, desired: Desired, schedule: Schedule,
        lookout: Observer, kills: Kills,
    ) -> None:
        self._fleet, self._engine, self._store = fleet, engine, store
        self._desired, self._schedule = desired, schedule
        self._lookout, self._kills = lookout, kills
        self._summary: dict[str, frozenset[tuple[str, str, str]]] = {}
        self._next_resync = time.monotonic() + RESYNC_S
        self._saying = threading.Lock()
        self.is_gone = False

    def listen(self) -> None:
        """Mark servers by the Engine's events; after each new subscription, mark all."""
        since_ns: int | None = None
        while not self._schedule.stopping:
            try:
                events = self._engine.events(self._fleet, since_ns, lambda: self._store.adopted)
                self._say_back()
                self._schedule.mark(set(self._desired.servers))
                for event in events:
                    since_ns = event.at_ns
                    self._kills.hear(
                        event.server_id, event.container, event.action, event.exit_code,
                        event.at_ns,
                    )
                    if self._lookout.hear(event):
                        # an end is often the first half of a removal or a manual restart
                        delay_s = END_DEBOUNCE_S if event.is_end else 0.0
                        self._schedule.mark_later(event.server_id, delay_s)
                    if self._schedule.stopping:
                        return
            except EngineFailed as error:
                self.say_gone(str(error))
            except Exception:
                log.exception("listening to the Engine failed; trying again")
            self._schedule.pause(ENGINE_RETRY_S)

    def compare_when_due(self) -> None:
        """Mark servers whose containers differ from the last comparison, every `RESYNC_S`."""
        if time.monotonic() < self._next_resync:
            return
        self._next_resync = time.monotonic() + RESYNC_S
        try:
            now = self._engine.lists.summary(self._fleet, self._store.adopted)
        except ZedopsError as error:
            log.warning("resync: %s", error)
            return
        self._say_back()
        before, self._summary = self._summary, now
        ids = self._desired.servers
        self._schedule.mark({each for each in ids if now.get(each) != before.get(each)})

    def say_gone(self, why: str) -> None:
        """Log once that the Engine is gone, not for each server and each try."""
        with self._saying:
            is_new, self.is_gone = not self.is_gone, True
        if is_new and not self._schedule.stopping:
            log.warning("%s; trying again every %.0f s", why, ENGINE_RETRY_S)

    def _say_back(self) -> None:
        with self._saying:
            is_new, self.is_gone = self.is_gone, False
        if is_new:
            log.warning("the Docker Engine answers again")
