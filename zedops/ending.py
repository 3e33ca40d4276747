"""Whether this process was told to end. Safe to be said from a signal's handler.

`threading.Event` is not: a handler runs in whatever the main thread is doing, and where that is
within `wait`, it holds the lock that `set` wants, and nothing ever goes on: a manager that looked
ten times a second met it. A SimpleQueue may be put to anywhere, also within its own `get`.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from queue import Empty, SimpleQueue


class Ending:
    """Said once, for good; any number of threads may wait for it."""

    def __init__(self) -> None:
        self._is_set = False
        self._said: SimpleQueue[None] = SimpleQueue()
        self._waker: socket.socket | None = None

    def set(self) -> None:
        """Say that it is time to end."""
        self._is_set = True
        self._said.put(None)
        if (waker := self._waker) is not None:
            with contextlib.suppress(OSError):  # it is full, or the main thread has just woken
                waker.send(b"\0")

    def is_set(self) -> bool:
        """Tell whether it was said."""
        return self._is_set

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is said, or so long; returns whether it was."""
        if not self._is_set:
            try:
                self._said.get(timeout=timeout_s)
            except Empty:
                return self._is_set
            self._said.put(None)  # for the next one who waits
        return True

    def wait_for_signal(self) -> None:
        """Wait in the main thread until a signal's handler, or another thread, says it.

        Not as `wait` does: the kernel may give a signal to any thread, and a main thread that waits
        for a lock would not hear of it (signal(3), set_wakeup_fd).
        """
        reader, writer = socket.socketpair()
        with reader, writer:
            writer.setblocking(False)
            signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            self._waker = writer
            while not self._is_set:
                reader.recv(1)
            self._waker = None
            signal.set_wakeup_fd(-1)
