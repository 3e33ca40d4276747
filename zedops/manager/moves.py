"""Tells when git moved a ref: a file of its directory was replaced (inotify(7)).

On the way of every change, hence no library that gathers events first: that took 10 ms.
"""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

_MOVED_TO = 0x80


class Moves:
    """Files that are moved into one directory. OSError where that cannot be watched."""

    def __init__(self, folder: Path) -> None:
        system = ctypes.CDLL(None, use_errno=True)
        if not hasattr(system, "inotify_init1"):
            raise OSError("this system has no inotify")
        self._closed = os.eventfd(0, os.EFD_CLOEXEC)
        self._events = system.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if system.inotify_add_watch(self._events, os.fsencode(folder), _MOVED_TO) < 0:
            number = ctypes.get_errno()
            self._release()
            raise OSError(number, os.strerror(number))

    def wait(self) -> bool:
        """Wait for the next move; False once this is closed. For one thread."""
        poll = select.poll()
        for each in (self._events, self._closed):
            poll.register(each, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if self._closed in ready:
            self._release()
            return False
        os.read(self._events, 1 << 16)
        return True

    def close(self) -> None:
        """End the wait, from any thread."""
        os.eventfd_write(self._closed, 1)

    def _release(self) -> None:
        for each in (self._events, self._closed):
            if each >= 0:
                os.close(each)
