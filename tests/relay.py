"""A wire between zedops and a real service, to be cut, held or made to fail. For tests.

All that passes is the service's own. The wire adds the faults of wires and daemons: no answer, a
slow answer, an error for one kind of request.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

DEADLINE_S = 30.0
_SAID = "containerd: context deadline exceeded"
_ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s"
)

Address = str | tuple[str, int]


class Relay:
    """Listens at `place` (a socket's path, or a port of its own) and passes on to `target`."""

    def __init__(self, target: Address, place: Path | None = None) -> None:
        self._target = target
        self._door = socket.socket(socket.AF_UNIX if place else socket.AF_INET)
        self._door.bind(str(place) if place else ("127.0.0.1", 0))
        self._door.listen(1024)  # hundreds may begin at once
        self.address = str(place) if place else "127.0.0.1:%d" % self._door.getsockname()[1]
        self._changed = threading.Condition()
        self._holding: bytes | None = None
        self._refusing: bytes | None = None
        self._words = b""
        self._gone = False
        self._met = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._serve, name="relay", daemon=True).start()

    # --- what a test does

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """End every connection and hang up on each new one, for the length of a block."""
        with self._trouble(gone=True):
            self._end_all()
            yield

    @contextlib.contextmanager
    def holding(self, request: bytes) -> Iterator[None]:
        """Let each request that has this in its first line wait, without a word."""
        with self._trouble(holding=request):
            yield

    @contextlib.contextmanager
    def refusing(self, request: bytes, words: str = _SAID) -> Iterator[None]:
        """Answer each request that has this in its first line with an error of the server's."""
        body = json.dumps({"message": words}).encode()
        self._words = _ERROR % (len(body), body)
        with self._trouble(refusing=request):
            yield

    def heard(self, said: bytes, line: int) -> None:
        """See what passes on its way to the service; each connection has a number."""

    def answered(self, line: int) -> None:
        """See that something came back."""

    def wait_met(self, count: int) -> None:
        """Wait until so many callers have met what is wrong now."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._met >= count, DEADLINE_S), self._met

    def close(self) -> None:
        """End it all."""
        self._gone = True
        self._end_all()
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    # --- inside

    @contextlib.contextmanager
    def _trouble(
        self, gone: bool = False, holding: bytes | None = None, refusing: bytes | None = None
    ) -> Iterator[None]:
        self._set(gone, holding, refusing)
        try:
            yield
        finally:
            self._set(False, None, None)

    def _set(self, gone: bool, holding: bytes | None, refusing: bytes | None) -> None:
        with self._changed:
            self._gone, self._holding, self._refusing, self._met = gone, holding, refusing, 0
            self._changed.notify_all()

    def _end_all(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _meet(self) -> None:
        with self._changed:
            self._met += 1
            self._changed.notify_all()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                threading.Thread(target=self._connect, args=[caller], daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
        with caller, socket.socket(family) as service:
            if self._gone:
                self._meet()
                return
            service.connect(self._target)
            self._open |= {caller, service}
            if self._gone:  # since that was asked: a cut may have come too early to end these two
                self._open -= {caller, service}
                self._meet()
                return
            back = threading.Thread(target=self._pass_back, args=[service, caller], daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._pass_on(caller, service)
            with contextlib.suppress(OSError):
                service.shutdown(socket.SHUT_WR)
            back.join()
            self._open -= {caller, service}

    def _pass_on(self, caller: socket.socket, service: socket.socket) -> None:
        while said := caller.recv(1 << 16):
            first = said.split(b"\r\n", 1)[0]
            self.heard(said, caller.fileno())
            if self._holding is not None and self._holding in first:
                self._meet()
                with self._changed:
                    self._changed.wait_for(lambda: self._holding is None)
            if self._refusing is not None and self._refusing in first:
                self._meet()
                caller.sendall(self._words)
            else:
                service.sendall(said)

    def _pass_back(self, service: socket.socket, caller: socket.socket) -> None:
        line = caller.fileno()
        with contextlib.suppress(OSError):
            while said := service.recv(1 << 16):
                self.answered(line)
                caller.sendall(said)
            caller.shutdown(socket.SHUT_WR)
