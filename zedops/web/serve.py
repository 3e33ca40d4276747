"""Runs the page in a thread of its own, with its own event loop, within the manager's process.

`open_port` listens at once; nothing of the page is loaded before the first browser comes. So a page
that no person opens costs a socket, and no push waits for one that a person does open.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from typing import TYPE_CHECKING

from zedops.errors import UsageError
from zedops.web.setup import Setup

if TYPE_CHECKING:
    import uvicorn

    from zedops.web.site import Site

log = logging.getLogger(__name__)


def open_port(address: tuple[str, int]) -> socket.socket:
    """Listen at an address. UsageError if that is not possible."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        where = f"{address[0]}:{address[1]}"
        raise UsageError(f"cannot listen on {where}: {error.strerror}") from error
    return listener


class WebServer:
    """Serves one fleet's page on a socket until closed."""

    def __init__(self, listener: socket.socket, setup: Setup) -> None:
        self._listener, self._setup = listener, setup
        self._waker, self._woken = socket.socketpair()
        self._server: uvicorn.Server | None = None
        self._site: Site | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._listener, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            waiting.select()
        if self._closing:
            return
        try:
            self._serve()
        except Exception:
            log.exception("the web page failed; the fleet goes on without it")

    def _serve(self) -> None:
        import uvicorn

        from zedops.web.app import make_app, make_site
        from zedops.web.connections import Bounded, most
        from zedops.web.place import Place

        place = Place(self._listener.getsockname()[0], self._setup.url)
        self._site = make_site(self._setup, place)
        config = uvicorn.Config(
            make_app(self._site), http=Bounded, ws="none", log_config=None, access_log=False,
            log_level="warning", server_header=False, proxy_headers=False,
            limit_concurrency=most() + 1, timeout_keep_alive=30, timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        if not self._closing:
            self._server.run([self._listener])

    def close(self) -> None:
        """Stop; open streams end."""
        self._closing = True
        self._waker.send(b"\0")
        if self._site is not None:
            self._site.view.close()
            self._site.live.end()
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(timeout=5)
        for each in (self._listener, self._waker, self._woken):
            each.close()
