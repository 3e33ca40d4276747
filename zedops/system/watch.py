"""Watches directories for entries that appear or disappear, and for their own removal.

It does not watch below them, and can add directories while it waits, which watchfiles cannot. It
only wakes its caller, which looks for the change itself.
"""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

from inotify_simple import Event, INotify, flags

_EVENTS = (
    flags.MOVED_FROM | flags.MOVED_TO | flags.CREATE | flags.DELETE
    | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
)


class Directories:
    """A set of watched directories. Several threads may use it; only one may wait.

    OSError if the system has no inotify, or no watches left.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths: dict[int, Path] = {}
        self._lock = threading.Lock()
        self._watches = INotify()
        self._closing = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            for each in paths:
                self.add(each)
        except OSError:
            self._release()
            raise

    def add(self, path: Path) -> None:
        """Watch a directory, if it is not watched yet. OSError if inotify refuses."""
        with self._lock:  # an event must not arrive before its path is known
            self._paths[self._watches.add_watch(path, _EVENTS)] = path

    def wait(self) -> set[Path] | None:
        """Wait for a change and return the changed directories; None once this is closed."""
        poll = select.poll()
        for each in (self._watches.fileno(), self._closing):
            poll.register(each, select.POLLIN)
        changed: set[Path] = set()
        while not changed:
            ready = {descriptor for descriptor, _ in poll.poll()}
            with self._lock:
                if self._closing in ready:
                    self._release()
                    return None
                for event in self._watches.read(timeout=0):
                    changed |= self._paths_of(event)
        return changed

    def _paths_of(self, event: Event) -> set[Path]:
        if event.mask & flags.Q_OVERFLOW:  # the kernel dropped events: any may have changed
            return set(self._paths.values())
        if event.mask & flags.IGNORED:  # the directory is gone, and its watch with it
            path = self._paths.pop(event.wd, None)
        else:
            path = self._paths.get(event.wd)
        return set() if path is None else {path}

    def close(self) -> None:
        """End the wait, from any thread; safe to repeat."""
        with self._lock:
            if not self._watches.closed:
                os.eventfd_write(self._closing, 1)

    def _release(self) -> None:
        self._watches.close()
        os.close(self._closing)
