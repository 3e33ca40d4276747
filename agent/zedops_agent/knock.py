"""Finds places that answer nothing at all: a network share whose server is gone holds its callers.

Each call for such a place waits, perhaps for ever (nfs(5), `hard`). So a thread of its own asks
first, and nothing else touches the place until that thread has its answer, or another file system
is mounted there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: The time that a place gets for its first entry: a disk that wakes up needs some seconds.
PATIENCE_S = 5.0
_MOUNTS = Path("/proc/self/mountinfo")


def _ask(path: Path) -> None:
    with suppress(OSError), os.scandir(path) as entries:
        next(entries, None)


def _mounts_above(path: Path) -> tuple[str, ...]:
    """List the ids of mounts at a path or above (proc_pid_mountinfo(5)); touches none of them."""
    lines = _MOUNTS.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    fields = (line.split(" ") for line in lines)
    return tuple(each[0] for each in fields if path.is_relative_to(each[4]))


class Knocks:
    """Asks places that may hang. Safe to use from several threads; one thread waits for a place."""

    def __init__(
        self, patience_s: float = PATIENCE_S, ask: Callable[[Path], None] = _ask,
        mounts: Callable[[Path], tuple[str, ...]] = _mounts_above,
    ) -> None:
        self._patience_s, self._ask, self._mounts = patience_s, ask, mounts
        self._lock = threading.Lock()
        #: The threads that wait, and the mounts at their places when they began.
        self._waiting: dict[Path, tuple[threading.Thread, tuple[str, ...]]] = {}

    def _goes_on(self, path: Path, thread: threading.Thread, mounts: tuple[str, ...]) -> bool:
        return thread.is_alive() and mounts == self._mounts(path)

    def is_silent(self, path: Path) -> bool:
        """Say whether a place does not answer in time. A place that answers an error is not."""
        with self._lock:
            waiting = self._waiting.get(path)
            if waiting is not None and self._goes_on(path, *waiting):
                return True
            asking = threading.Thread(target=self._ask, args=(path,), name="knock", daemon=True)
            self._waiting.pop(path, None)
        asking.start()
        asking.join(self._patience_s)
        if not asking.is_alive():
            return False
        with self._lock:
            self._waiting[path] = asking, self._mounts(path)
        return True
