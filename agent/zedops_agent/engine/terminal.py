"""One terminal in a container: an exec with a pseudo-terminal, over a socket of the Engine.

The Engine ends no process whose caller went away. So each terminal marks its processes with a
variable, and at its end a command within the container hangs them up.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import docker.errors

from zedops.errors import EngineFailed, HostUnavailable
from zedops_agent.engine.connection import AWAY, EngineConnection, translated

_MARK = "ZEDOPS_TERMINAL"
#: The first shell that there is; a container without any says so.
_SHELL = ("sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi")
_CHUNK = 16 * 1024
#: Input that the program has not read yet; more is refused.
_MOST_WAITING = 64 * 1024
_HANG_UP = (
    "for p in /proc/[0-9]*; do if grep -q \"$1\" $p/environ 2>/dev/null; then "
    "kill -HUP ${p#/proc/} 2>/dev/null; fi; done; sleep 1; "
    "for p in /proc/[0-9]*; do if grep -q \"$1\" $p/environ 2>/dev/null; then "
    "kill -KILL ${p#/proc/} 2>/dev/null; fi; done"
)


class Terminal:
    """An iterator of output; another thread types, and may end it."""

    def __init__(
        self, connection: EngineConnection, container: str, name: str, command: tuple[str, ...],
        columns: int, rows: int, ended: Callable[[], None],
    ) -> None:
        self.connection, self._container, self._name = connection, container, name
        self._ended = ended
        self._lock = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._is_over = self._is_read = False
        self._socket = self._open(command or _SHELL, columns, rows)
        threading.Thread(target=self._write, name="terminal", daemon=True).start()

    @translated
    def _open(self, command: tuple[str, ...], columns: int, rows: int) -> socket.socket:
        api = self.connection.api
        self._id = api.exec_create(
            self._container, list(command), stdin=True, tty=True,
            environment={"TERM": "xterm-256color", _MARK: self._name},
        )["Id"]
        opened: Any = api.exec_start(self._id, tty=True, socket=True)
        self._held = opened  # keeps the response alive
        link: socket.socket = getattr(opened, "_sock", opened)
        link.settimeout(None)
        with suppress(docker.errors.APIError):  # a command that has ended already
            api.exec_resize(self._id, height=rows, width=columns)
        return link

    def __iter__(self) -> Terminal:
        return self

    def __next__(self) -> bytes:
        self._is_read = True
        try:
            chunk = self._socket.recv(_CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            self._finish()
            raise StopIteration
        return chunk

    def type(self, data: bytes) -> None:
        """Hand input over; never waits for the program. HostUnavailable if it reads nothing."""
        with self._lock:
            if self._is_over:
                raise HostUnavailable("this terminal has ended")
            if sum(map(len, self._waiting)) + len(data) > _MOST_WAITING:
                raise HostUnavailable("the program in the terminal reads no input")
            self._waiting.append(data)
            self._lock.notify_all()

    @translated
    def resize(self, columns: int, rows: int) -> None:
        """Tell the program the size of its window."""
        self.connection.api.exec_resize(self._id, height=rows, width=columns)

    def abort(self) -> None:
        """End it and its processes, from any thread."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            self._lock.notify_all()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if not self._is_read:  # else the reader wakes up, and closes it
            self._close()
        with suppress(docker.errors.DockerException, EngineFailed, *AWAY):
            api = self.connection.api
            if api.exec_inspect(self._id)["Running"]:
                command = ["sh", "-c", _HANG_UP, "sh", f"{_MARK}={self._name}"]
                made = api.exec_create(self._container, command)["Id"]  # as the same user
                api.exec_start(made, detach=True)
        self._ended()

    def _finish(self) -> None:
        """The command ended by itself, or the Engine went away."""
        with self._lock:
            was, self._is_over = self._is_over, True
            self._lock.notify_all()
        self._close()
        if not was:
            self._ended()

    def _close(self) -> None:
        with suppress(OSError):
            self._held.close()  # docker-py's file of the socket keeps it open
            self._socket.close()

    def _write(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting or self._is_over)
                if self._is_over:
                    return
                data = self._waiting[0]
            try:
                self._socket.sendall(data)
            except OSError:
                return
            with self._lock:
                self._waiting.popleft()
