"""Tells when something came into directories or went out of them (inotify(7)). Only wakes.

On the way of every change, hence no library that gathers events first: that took 10 ms; and no
library that looks for them again and again: at rest nothing at all happens here.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from pathlib import Path

#: What inotify calls its events (inotify(7)).
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
_OVERFLOW, _IGNORED, _ONLY_DIRECTORIES = 0x4000, 0x8000, 0x1000000
#: An entry came or went, or the directory itself did.
ANY = MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
_EVENT = struct.Struct("iIII")


class Directories:
    """Directories that are watched, each for itself and not what is below. Safe to use from several
    threads; one waits. OSError where there is no such thing.
    """

    def __init__(self, *paths: Path, events: int = ANY) -> None:
        self._wanted = events | _ONLY_DIRECTORIES
        self._system = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._system, "inotify_init1"):
            raise OSError("this system has no inotify")
        self._paths: dict[int, Path] = {}
        self._lock = threading.Lock()
        self._closed = os.eventfd(0, os.EFD_CLOEXEC)
        self._events = self._system.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._events < 0:
            os.close(self._closed)
            raise _failed()
        try:
            for each in paths:
                self.add(each)
        except OSError:
            self._release()
            raise

    def add(self, path: Path) -> None:
        """Watch a directory, if it is not watched. OSError where that cannot be."""
        with self._lock:  # nobody may hear of it before its path is known
            name = os.fsencode(path)
            number = self._system.inotify_add_watch(self._events, name, self._wanted)
            if number < 0:
                raise _failed()
            self._paths[number] = path

    def wait(self) -> set[Path] | None:
        """Wait until some changed, and tell which; None once this is closed."""
        poll = select.poll()
        for each in (self._events, self._closed):
            poll.register(each, select.POLLIN)
        changed: set[Path] = set()
        while not changed:
            ready = {descriptor for descriptor, _ in poll.poll()}
            with self._lock:
                if self._closed in ready:
                    self._release()
                    return None
                changed = self._told(os.read(self._events, 1 << 16))
        return changed

    def _told(self, said: bytes) -> set[Path]:
        changed, at = set[Path](), 0
        while at < len(said):
            number, events, _, length = _EVENT.unpack_from(said, at)
            at += _EVENT.size + length
            if events & _OVERFLOW:
                changed.update(self._paths.values())
            elif number in self._paths:
                changed.add(self._paths[number])
            if events & _IGNORED:  # it is gone, and with it its watch
                self._paths.pop(number, None)
        return changed

    def close(self) -> None:
        """End the wait, from any thread; safe to repeat."""
        with self._lock:
            if self._events >= 0:
                os.eventfd_write(self._closed, 1)

    def _release(self) -> None:
        for each in (self._events, self._closed):
            os.close(each)
        self._events = -1


def _failed() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
