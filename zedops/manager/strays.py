"""Asks each greeting host for its containers, to find those that no document names.

A container can outlive its server's deletion in git: its host was cut off, or the hub was restored
from a backup. The manager then has it removed. It only warns of a container that no file has named,
and leaves it alone, since people may play there. `zedops orphans` brings it back or removes it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from zedops.bus.interfaces import Bus
from zedops.errors import ZedopsError
from zedops.protocol.requests import Belonging, InventoryReply, InventoryRequest, expect

log = logging.getLogger(__name__)

#: A greeting host has work to do first; this question can wait.
DELAY_S = 3.0


class Strays:
    """Asks hosts for their containers, in a thread of its own.

    `before` runs ahead of each question. `found` gets the host, its containers and the result of
    `before`; it returns the containers that no file names.
    """

    def __init__(
        self,
        bus: Bus,
        before: Callable[[], set[str]],
        found: Callable[[str, Iterable[Belonging], set[str]], list[Belonging]],
    ) -> None:
        self._bus, self._before, self._found = bus, before, found
        self._due: dict[str, float] = {}
        self._told: set[tuple[str, str, str | None]] = set()
        self._wake, self._ending = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="strays", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End without waiting for hosts that do not answer."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()

    def greet(self, host: str) -> None:
        """Note that a host greeted, and ask it soon."""
        with self._wake:
            self._due.setdefault(host, time.monotonic() + DELAY_S)
            self._wake.notify_all()

    def _run(self) -> None:
        while (host := self._next()) is not None:
            try:
                self._ask(host)
            except ZedopsError as error:  # its next greeting repeats the question
                log.info("host %s did not tell of its containers: %s", host, error)
            except Exception:
                log.exception("asking host %s for its containers failed", host)

    def _next(self) -> str | None:
        """Wait for a host whose time has come; None at the end."""
        with self._wake:
            while not self._ending:
                host = min(self._due, key=lambda each: self._due[each], default=None)
                left = None if host is None else self._due[host] - time.monotonic()
                if host is not None and left is not None and left <= 0:
                    del self._due[host]
                    return host
                self._wake.wait(left)
        return None

    def _ask(self, host: str) -> None:
        known = self._before()
        reply = expect(self._bus.call(host, InventoryRequest()), InventoryReply, host)
        with_container = [each for each in reply.belongings if each.container]
        for each in self._found(host, with_container, known):
            key = (host, each.server_id, each.container)
            if key not in self._told:
                self._told.add(key)
                state = "runs" if each.running else "is"
                log.warning(
                    "container %s of %s %s on host %s, and no file of the fleet names it; "
                    "`zedops orphans` brings it back or removes it",
                    each.container, each.server_name or each.server_id, state, host,
                )
