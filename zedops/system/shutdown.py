"""The request that this process ends. A signal's handler may set it safely.

`threading.Event` is not safe: a handler may interrupt the main thread inside `wait`, which holds
the lock that `set` needs. Both then block forever; a manager with ten waits a second met this. A
SimpleQueue allows `put` anywhere, also inside its own `get`.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from queue import Empty, SimpleQueue


class Ending:
    """A request that is set once, for good; any number of threads may wait for it."""

    def __init__(self) -> None:
        self._is_set = False
        self._said: SimpleQueue[None] = SimpleQueue()
        self._waker: socket.socket | None = None

    def set(self) -> None:
        """Request the end."""
        self._is_set = True
        self._said.put(None)
        if (waker := self._waker) is not None:
            with contextlib.suppress(OSError):  # it is full, or the main thread closed it just now
                waker.send(b"\0")

    def is_set(self) -> bool:
        """Tell whether the end was requested."""
        return self._is_set

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the request, at most `timeout_s`; returns whether it was set."""
        if not self._is_set:
            try:
                self._said.get(timeout=timeout_s)
            except Empty:
                return self._is_set
            self._said.put(None)  # for the next waiting thread
        return True

    def wait_for_signal(self) -> None:
        """Wait in the main thread until a signal's handler, or another thread, requests the end.

        `wait` does not serve here: the kernel may give a signal to any thread, and a main thread
        that waits for a lock does not run the handler (signal(3), set_wakeup_fd).
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
