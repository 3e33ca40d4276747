"""A terminal in a server's container, in this terminal: `zedops exec -it`.

This terminal is raw meanwhile, so every key goes to the container, Ctrl-C as well.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import sys
import termios
import threading
import time
import tty
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

from zedops.cli.stream import locate
from zedops.control import client
from zedops.errors import HostUnavailable, UsageError, ZedopsError

_ONCE = 4000  #: bytes in one request
#: A terminal opens on its host within this; until then typing is tried again.
_OPENS_S, _AGAIN_S = 20.0, 0.1


def run(server: str, command: tuple[str, ...]) -> None:
    """Open a terminal and stay in it until its program ends. UsageError without a terminal here."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("-it needs a terminal; leave it out in a script or pipe")
    from zedops.cli.web_options import whoami

    hub, server_id = locate(server)
    said = client.ask_hub(hub, {"do": "show", "server": server}, lambda _: None)["row"]
    typist = _Typist(hub, str(said["host"]))
    columns, rows = shutil.get_terminal_size()
    name, email = whoami(Path.cwd())
    request = {
        "kind": "terminal", "server_id": server_id, "terminal": typist.terminal,
        "command": list(command), "columns": columns, "rows": rows,
        "who": f"{name} <{email}>"[:300],
    }
    with _raw(), typist:
        for piece in client.streamed(hub, request):
            sys.stdout.buffer.write(piece.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class _Typist:
    """Sends what a person types, one request after the other, and each new size."""

    def __init__(self, hub: Path, host: str) -> None:
        self._hub, self._host = hub, host
        self.terminal = secrets.token_hex(16)
        self._number, self._lock = 0, threading.Lock()
        self._is_open, self._begun = False, time.monotonic()

    def __enter__(self) -> None:
        signal.signal(signal.SIGWINCH, lambda *_: self._start(self._resize))
        self._start(self._type)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ZedopsError):  # it has ended there
            self._send(ends=True)

    @staticmethod
    def _start(work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()

    def _type(self) -> None:
        with contextlib.suppress(ZedopsError, OSError):  # the terminal has ended
            while data := os.read(sys.stdin.fileno(), _ONCE):
                typed = b64encode(data).decode()
                while not self._is_open and time.monotonic() < self._begun + _OPENS_S:
                    try:
                        self._send(data=typed)
                    except HostUnavailable:  # it is not open yet
                        time.sleep(_AGAIN_S)
                    else:
                        self._is_open, typed = True, ""
                if typed:
                    self._send(data=typed)

    def _resize(self) -> None:
        columns, rows = shutil.get_terminal_size()
        with contextlib.suppress(ZedopsError):
            self._send(columns=columns, rows=rows)

    def _send(self, **more: object) -> None:
        with self._lock:
            self._number += 1
            request = {"kind": "type", "terminal": self.terminal, "number": self._number, **more}
            asked = {"do": "call", "host": self._host, "request": request}
            client.ask_hub(self._hub, asked, lambda _: None)
