"""Answers a hub's hooks as a manager does, in this process: a push need not start zedops anew."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zedops import hook
from zedops.gate import Gate, answer
from zedops.hub import Hub
from zedops.manager import requests
from zedops.manager.door import in_words


@contextmanager
def gatekeeper(hub: Hub) -> Iterator[None]:
    """Keep a hub's gate for as long as it lasts; what comes after a push is nobody's."""
    gate = Gate(hub)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = requests.read(self.rfile.readline(hook.MAX_LINE))
            verdict: dict[str, Any] = {"exit": 0}
            if request["do"] != "post-receive":
                verdict = answer(gate, request, lambda text: self._reply({"say": text}))
            self._reply({"answer": verdict})

        def _reply(self, message: dict[str, Any]) -> None:
            self.wfile.write(in_words(message))

    folder = os.open(hub.runtime, os.O_RDONLY)  # a socket's path may have 107 bytes at most
    place = f"/proc/self/fd/{folder}/{hook.SOCKET.rpartition('/')[2]}"
    with socketserver.ThreadingUnixStreamServer(place, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            Path(place).unlink()
            os.close(folder)
