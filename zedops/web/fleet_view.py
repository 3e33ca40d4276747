"""The fleet as the manager tells it, kept in memory for every page; unknown once that ends.

One thread follows the manager's socket. It begins with the first reader, so a page that no person
opens costs nothing. What the page shows comes from here; what it changes goes through a push.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zedops.control import client
from zedops.errors import ZedopsError
from zedops.queries.conversion import read_all
from zedops.queries.overview import FleetRow

log = logging.getLogger(__name__)

_AGAIN_S = 1.0
_FIRST_S = 20.0


@dataclass(frozen=True)
class View:
    """The fleet at one moment. Frozen: a page is made from one of these."""

    commit: str = ""
    number: int = 0
    name: str = ""
    hosts: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()  #: hosts that do not answer
    rows: Mapping[str, FleetRow] = field(default_factory=dict)  #: by path
    trouble: str = "the manager has not said anything yet"  #: why this may be out of date

    @property
    def stamp(self) -> str:
        """Name this moment; a page that lost its stream goes on from here."""
        return f"{self.commit}:{self.number}"


@dataclass(frozen=True)
class Change:
    """What one message of the manager changed."""

    view: View
    rows: tuple[FleetRow, ...] = ()
    gone: tuple[FleetRow, ...] = ()
    is_whole: bool = False


class FleetView:
    """Follows a hub's manager; `on_change` is called in the thread that follows."""

    def __init__(self, hub: Path, on_change: Callable[[Change], None]) -> None:
        self._hub, self._on_change = hub, on_change
        self._view = View()
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def now(self) -> View:
        """Give the fleet as it is known now. Blocks until the manager has told it once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="web-fleet", daemon=True)
                self._thread.start()
        self._ready.wait(_FIRST_S)
        return self._view

    def close(self) -> None:
        """End; the thread ends with its connection."""
        self._closing.set()

    def _follow(self) -> None:
        while not self._closing.is_set():
            why = "the manager has gone away"
            try:
                client.ask_hub(self._hub, {"do": "watch"}, self._take)
            except ZedopsError as error:
                why = str(error)
            except (ValueError, KeyError, TypeError) as error:
                log.exception("the manager's news cannot be read")
                why = repr(error)
            self._lose(why)
            self._closing.wait(_AGAIN_S)

    def _lose(self, why: str) -> None:
        if self._view.trouble != why:
            self._put(Change(_changed(self._view, trouble=why)))

    def _take(self, said: Any) -> None:
        if self._closing.is_set():
            raise ZedopsError("the page is closing")
        if "beat" in said:
            return
        made = read_all(FleetRow, said["rows"])
        before = {} if said["whole"] else self._view.rows
        left = set(said["gone"])
        gone = tuple(before[path] for path in left if path in before)
        rows = {path: each for path, each in before.items() if path not in left}
        rows |= {each.path: each for each in made}
        number = self._view.number + 1  # a new connection counts from 1 again
        view = View(said["commit"], number, said["fleet"], tuple(said["hosts"]),
                    tuple(said["silent"]), rows, "")
        self._put(Change(view, tuple(made), gone, said["whole"]))

    def _put(self, change: Change) -> None:
        self._on_change(change)  # first: a tab may only name moments that the stream knows
        self._view = change.view
        self._ready.set()


def _changed(view: View, **facts: Any) -> View:
    return View(**{**vars(view), "number": view.number + 1, **facts})
