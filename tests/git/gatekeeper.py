"""Answers a hub's hooks as a manager does, in this process: a push need not start zedops anew."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zedops.control import protocol
from zedops.hub import hook
from zedops.hub.hub import Hub
from zedops.hub.receive import PushReceiver, answer
from zedops.manager import hook_bridge
from zedops.manager.control_server import in_words


@contextmanager
def gatekeeper(hub: Hub, *, lend: bool = True) -> Iterator[None]:
    """Keep a hub's gate for as long as it lasts; what comes after a push is nobody's.

    Hooks lend it their descriptors, or ask in words, as those of another machine's container do.
    """
    gate = PushReceiver(hub)

    def decide(request: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
        return {"exit": 0} if request["do"] == "post-receive" else answer(gate, request, say)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline(hook.MAX_LINE)
            if lend and line == hook.GREETING:
                hook_bridge.serve(self, decide)
            elif line != hook.GREETING:
                verdict = decide(protocol.read(line), lambda text: self._reply({"say": text}))
                self._reply({"answer": verdict})

        def _reply(self, message: dict[str, Any]) -> None:
            self.wfile.write(in_words(message))

    with opened(hub, Handler):
        yield


@contextmanager
def opened(hub: Hub, handler: type[socketserver.StreamRequestHandler]) -> Iterator[None]:
    """Have whoever knocks at a hub's door handled."""
    folder = os.open(hub.runtime, os.O_RDONLY)  # a socket's path may have 107 bytes at most
    place = f"/proc/self/fd/{folder}/{hook.SOCKET.rpartition('/')[2]}"
    with socketserver.ThreadingUnixStreamServer(place, handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            Path(place).unlink()
            os.close(folder)
