"""Registries that are slow, wrong or ask who is there: said, and nobody else waits for them."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from tests.docker.host import DEADLINE_S, Host

pytestmark = pytest.mark.docker

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class OddRegistry:
    """Answers as registries do on bad days, by the first part of an image's name."""

    def __init__(self) -> None:
        self.asked, self.goes_on = threading.Event(), threading.Event()
        odd = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                odd.answer(self)

            do_HEAD = do_GET  # noqa: N815 - as http.server wants it

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, call: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        kind = call.path.removeprefix("/v2/").partition("/")[0]
        status, content_type, body = 200, _MANIFEST, b"{}"
        match kind:
            case "locked":
                status, content_type = 401, "application/json"
                body = b'{"errors": [{"code": "UNAUTHORIZED", "message": "who asks?"}]}'
            case "wrong":
                content_type, body = "text/html", b"<html>Please log in to our Wi-Fi</html>"
            case "broken" if "/blobs/" in call.path:
                body = b"not what was promised"
            case "broken":
                body = _manifest()
            case "slow":
                self.asked.set()
                self.goes_on.wait(DEADLINE_S)
                status = 404
        with contextlib.suppress(OSError):
            call.send_response(status)
            if status == 401:
                call.send_header("WWW-Authenticate", 'Basic realm="odd"')
            call.send_header("Content-Type", content_type)
            call.send_header("Content-Length", str(len(body)))
            if content_type == _MANIFEST:
                digest = hashlib.sha256(body).hexdigest()
                call.send_header("Docker-Content-Digest", f"sha256:{digest}")
            call.end_headers()
            if call.command == "GET":
                call.wfile.write(body)

    def close(self) -> None:
        """End it."""
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _manifest() -> bytes:
    """Promise a configuration and a layer."""
    promised = {"digest": f"sha256:{'0' * 64}", "size": 100}
    kind = "application/vnd.docker"
    return json.dumps({
        "schemaVersion": 2, "mediaType": _MANIFEST,
        "config": {"mediaType": f"{kind}.container.image.v1+json", **promised},
        "layers": [{"mediaType": f"{kind}.image.rootfs.diff.tar.gzip", **promised}],
    }).encode()


@pytest.fixture
def odd() -> Iterator[OddRegistry]:
    """Run one."""
    made = OddRegistry()
    yield made
    made.close()


def test_a_registry_that_is_slow_wrong_or_locked_is_said_and_keeps_nobody_waiting(
    host: Host, odd: OddRegistry
) -> None:
    running = host.want("rosewood")
    host.wait_running(running)
    before = host.container("rosewood")
    slow = host.want("slow", f"image: {odd.address}/slow/game:1\n")
    assert odd.asked.wait(DEADLINE_S)
    servers = {
        kind: host.want(kind, f"image: {odd.address}/{kind}/game:1\n")
        for kind in ("locked", "wrong", "broken")
    }
    host.want("rosewood", f"image: {odd.address}/locked/game:1\n")
    said = {kind: host.wait(each, lambda each: each.failure) for kind, each in servers.items()}
    for kind, each in said.items():
        assert f"{odd.address}/{kind}/game:1" in str(each.failure), each.failure
    login = f"`docker login {odd.address}` on this host, as the user that runs zedops, may help"
    assert login in str(said["locked"].failure)
    assert login not in str(said["wrong"].failure)
    host.wait(running, lambda each: each.failure and "docker login" in each.failure)
    assert host.container("rosewood")["State"] == before["State"]
    assert host.wait_running(host.want("another"))
    assert not [each for each in host.reports if each.id == slow and each.failure]
    odd.goes_on.set()
    host.wait(slow, lambda each: each.failure)
