"""A real HTTP server that takes what is posted to it, or does not. For tests of messages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Of `json://127.0.0.1:<port>/<this>`: what must never be in a log.
SECRET = "s3cr3t-path"


class Listener:
    """Listens on loopback; remembers what came and when."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.tries = 0
        self.status = 200
        self.go_on = threading.Event()
        self.go_on.set()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.tries += 1
                listener.go_on.wait(30)
                if listener.status == 200:
                    listener.times.append(time.monotonic())
                    listener.heard.append({**json.loads(body), "path": self.path})
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that gave up is part of the test."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="listener", daemon=True).start()

    @property
    def url(self) -> str:
        """Say where messages go, for Apprise."""
        return f"json://127.0.0.1:{self._server.server_address[1]}/{SECRET}"

    @property
    def text(self) -> str:
        """Everything that was said, as one text."""
        return "\n".join(f"{each['title']}\n{each['message']}" for each in self.heard)

    def close(self) -> None:
        """Listen no longer."""
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen for the length of a block."""
    made = Listener()
    try:
        yield made
    finally:
        made.close()
