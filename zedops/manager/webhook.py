"""The webhook: a small HTTP server that GitHub, Gitea or GitLab calls after a push.

A call must prove that it knows the secret, then wakes the loop, which fetches for itself. A forged
call does nothing, a repeated one costs a fetch, and the next poll makes up for a lost one. The
server bounds a call's size and time, and the number of open calls. One too many ends the oldest, so
slow callers keep no other caller out.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger(__name__)

_Call = socket.socket | tuple[bytes, socket.socket]

#: GitHub sends up to 25 MB, but a push of one fleet's definitions stays far below this.
MAX_BODY = 4 * 1024 * 1024
#: A length of more digits is refused unread.
_DIGITS = 20
_AT_ONCE = 32
#: A call may take this long, from its connection to its last byte.
_TIMEOUT_S = 10.0


def is_genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """Check a call's proof, in constant time.

    GitHub and Gitea sign the body (`X-Hub-Signature-256: sha256=<hex>`, Gitea besides that
    `X-Gitea-Signature: <hex>`); GitLab sends the secret itself (`X-Gitlab-Token`).
    """
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    if said := headers.get("X-Hub-Signature-256"):
        return hmac.compare_digest(said.encode(), b"sha256=" + expected)
    if said := headers.get("X-Gitea-Signature"):
        return hmac.compare_digest(said.encode(), expected)
    if said := headers.get("X-Gitlab-Token"):
        return hmac.compare_digest(said.encode(), secret)
    return False


class _Server(ThreadingHTTPServer):
    """Ends calls that take too long, and the oldest call when too many are open."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._begun: dict[_Call, float] = {}
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: _Call, client_address: Any) -> None:
        with self._guard:
            self._begun[request] = time.monotonic()
            surplus = list(self._begun)[:-_AT_ONCE]
        self._cut(surplus)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End calls whose time is over; socketserver calls this twice a second."""
        late = time.monotonic() - _TIMEOUT_S
        with self._guard:
            over = [call for call, begun in self._begun.items() if begun < late]
        self._cut(over)

    def shutdown_request(self, request: _Call) -> None:
        with self._guard:
            self._begun.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: _Call, client_address: Any) -> None:  # noqa: ARG002 - theirs
        log.debug("a call broke off", exc_info=True)

    def _cut(self, calls: Iterable[_Call]) -> None:
        for each in calls:
            with self._guard:
                self._begun.pop(each, None)
            with contextlib.suppress(OSError, AttributeError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


class Webhook:
    """Listens until closed; `wake` is called for each genuine call."""

    def __init__(
        self, address: tuple[str, int], secret: bytes, wake: Callable[[], object]
    ) -> None:
        if not secret:
            raise ValueError("a webhook without a secret would be open to everybody")
        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S
            server_version = "zedops"
            sys_version = ""

            def do_POST(self) -> None:
                status = self._judge()
                # an unread body must not pass for the next request
                self.close_connection = True
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if status is HTTPStatus.NO_CONTENT:
                    wake()

            def _judge(self) -> HTTPStatus:
                said = self.headers.get("Content-Length", "")
                if not said.isascii() or not said.isdigit():
                    return HTTPStatus.LENGTH_REQUIRED
                # int() itself refuses thousands of digits
                if len(said) > _DIGITS or (length := int(said)) > MAX_BODY:
                    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                body = self.rfile.read(length)
                headers = {key.title(): value for key, value in self.headers.items()}
                genuine = len(body) == length and is_genuine(headers, body, secret)
                return HTTPStatus.NO_CONTENT if genuine else HTTPStatus.UNAUTHORIZED

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                log.debug(format, *arguments)

        self._server = _Server(address, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="webhook", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Give the address on which the webhook listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
