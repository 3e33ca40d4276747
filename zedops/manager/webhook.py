"""The webhook: a small HTTP server that GitHub, Gitea or GitLab calls when somebody has pushed.

A call carries no news. It has to prove that it knows the secret, and then wakes the loop, which
looks for itself: so a forged, repeated or lost call can do nothing but cost one look, or be made
up for by the next poll. Bodies are bounded, and so are the calls that are served at once.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger(__name__)

#: GitHub sends up to 25 MB, but a push of one fleet's definitions stays far below this.
MAX_BODY = 4 * 1024 * 1024
_AT_ONCE = 8
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


class Webhook:
    """Listens until closed; `wake` is called for each genuine call."""

    def __init__(
        self, address: tuple[str, int], secret: bytes, wake: Callable[[], object]
    ) -> None:
        if not secret:
            raise ValueError("a webhook without a secret would be open to everybody")
        places = threading.BoundedSemaphore(_AT_ONCE)

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S
            server_version = "zedops"
            sys_version = ""

            def do_POST(self) -> None:
                status = self._judge()
                # a body that was not read must not be taken for the next request
                self.close_connection = True
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if status is HTTPStatus.NO_CONTENT:
                    wake()

            def _judge(self) -> HTTPStatus:
                length = self.headers.get("Content-Length", "")
                if not length.isascii() or not length.isdigit():
                    return HTTPStatus.LENGTH_REQUIRED
                if int(length[:20]) > MAX_BODY:
                    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                if not places.acquire(blocking=False):
                    return HTTPStatus.SERVICE_UNAVAILABLE
                try:
                    body = self.rfile.read(int(length))
                finally:
                    places.release()
                headers = {key.title(): value for key, value in self.headers.items()}
                genuine = len(body) == int(length) and is_genuine(headers, body, secret)
                return HTTPStatus.NO_CONTENT if genuine else HTTPStatus.UNAUTHORIZED

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                log.debug(format, *arguments)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(address, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="webhook", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Say where it listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
