"""The endpoint for monitoring: `/metrics` for Prometheus, `/healthz` for anything else.

Off by default, read only and without access control; so it listens on loopback unless the option
names another address. A slow client cannot delay the manager: each request has its own thread, and
the number of threads is limited.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from zedops import __version__
from zedops.errors import UsageError

log = logging.getLogger(__name__)

#: Returns the problem of each part by its name; None if it works.
Health = Callable[[], Mapping[str, str | None]]

_AT_ONCE = 8
_TIMEOUT_S = 10.0


def new_registry() -> CollectorRegistry:
    """Make a registry of metrics, with this process' CPU, memory and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class MonitoringServer:
    """Answers HTTP requests on one address until closed."""

    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, health: Health
    ) -> None:
        """Listen; UsageError where that fails."""
        self._registry, self._health = registry, health
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        vitals = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S
            server_version = f"zedops/{__version__}"
            sys_version = ""

            def do_GET(self) -> None:
                status, kind, body = vitals.answer(self.path, self.headers.get("Accept", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                log.debug(format, *arguments)

        class Server(socketserver.ThreadingTCPServer):  # HTTPServer asks the DNS for a name
            allow_reuse_address = True
            address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            daemon_threads = True
            block_on_close = False

        try:
            self._server = Server(address, Handler)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            remedy = "choose another one for --metrics"
            raise UsageError(f"cannot listen on {where}: {error.strerror}; {remedy}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="vitals", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def answer(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Answer one request: status, content type, body."""
        if not self._places.acquire(blocking=False):
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"too many requests at once\n"
        try:
            match path.partition("?")[0]:
                case "/metrics":
                    encoder, kind = choose_encoder(accept)
                    return HTTPStatus.OK, kind, encoder(self._registry)
                case "/healthz":
                    return self._say_health()
                case _:
                    here = b"no such path; ask /metrics or /healthz\n"
                    return HTTPStatus.NOT_FOUND, "text/plain", here
        finally:
            self._places.release()

    def _say_health(self) -> tuple[HTTPStatus, str, bytes]:
        parts = self._health()
        ok = not any(parts.values())
        said = {"ok": ok, "parts": {key: each or "ok" for key, each in parts.items()}}
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(said).encode() + b"\n"

    def close(self) -> None:
        """Stop listening, and end the server's thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
