"""Connections that cost no more than they should: bounded in number, in patience and in debt.

They share the manager's open files, so a page with too many would stop the fleet.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

#: The most connections: a person has a few per tab, and 200 tabs are a large team.
_MOST = 1000
#: A browser sends the head of its first request at once.
_HEAD_S = 20.0
#: A reader that takes nothing for this time has gone; a slow network takes something.
_STUCK_S = 60.0
#: Refused connections are told at most this often.
_TELL_S = 10.0


def most() -> int:
    """Give the number of connections that leaves half of the open files to the fleet."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(16, min(_MOST, soft // 2))


class Bounded(H11Protocol):
    """One connection."""

    _told = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, if there is room."""
        self._patience: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if len(self.connections) > most():
            if time.monotonic() > Bounded._told + _TELL_S:
                Bounded._told = time.monotonic()
                log.warning("refused connections: more than %d are open", most())
            transport.abort()
            return
        self._wait(_HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Take data; the wait for a head ends with the head."""
        super().data_received(data)
        if self.cycle is not None:
            self._end_wait()

    def pause_writing(self) -> None:
        """Begin to wait for a slow reader."""
        super().pause_writing()
        self._wait(_STUCK_S)

    def resume_writing(self) -> None:
        """Stop waiting: the reader took something."""
        super().resume_writing()
        self._end_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._end_wait()
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _end_wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        client: Any = self.client or ("?", 0)
        log.warning("ended a connection from %s, which waited too long", client[0])
        self.transport.abort()
