"""Joins two buses: this machine's host in the same process, all others over the network."""

from __future__ import annotations

from collections.abc import Generator

from zedops.bus.interfaces import Bus, ManagerSide
from zedops.bus.local import LocalBus
from zedops.protocol.requests import Reply, Request, StreamRequest
from zedops.protocol.sync import DesiredDocument


class Switch:
    """Sends each host's messages over that host's bus."""

    def __init__(self, local: LocalBus, remote: Bus) -> None:
        self._local, self._remote = local, remote

    def _bus(self, host: str) -> Bus:
        return self._local if self._local.has(host) else self._remote

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents on both buses."""
        self._local.serve(manager)
        self._remote.serve(manager)

    def unserve(self) -> None:
        """Answer agents no longer."""
        self._local.unserve()
        self._remote.unserve()

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host."""
        self._bus(document.host).publish(document)

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something."""
        return self._bus(host).call(host, request)

    def stream(self, host: str, request: StreamRequest) -> Generator[bytes, None, None]:
        """Stream something from a host."""
        return self._bus(host).stream(host, request)
