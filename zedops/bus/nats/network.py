"""Runs the network of a fleet of many hosts for its manager: keys, server, bus, enrolment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zedops.bus.nats import subjects
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.client import Address
from zedops.bus.nats.manager import NatsBus
from zedops.bus.nats.server import NatsServer
from zedops.errors import ServerFailed

log = logging.getLogger(__name__)

_CONNECT_S = 15.0


class Hosting:
    """One fleet's NATS server with the manager's own connection to it. `close` ends both."""

    def __init__(
        self, fleet: str, folder: Path, advertise: Sequence[str], listen: str, port: int
    ) -> None:
        """Start the server with the keys in `folder`; hosts reach it at `advertise`."""
        self._fleet = fleet
        self._urls = tuple(advertise)
        self._authority = Authority.open(folder)
        self._server = NatsServer(self._authority, self._urls, listen, port)
        self._server.start()
        self.bus = NatsBus(Address(
            urls=(self._server.url,), inbox=subjects.MANAGER_INBOX, name="manager",
            credentials=self._authority.manager_credentials().text,
            tls=ssl_context(self._authority.ca_pem),
        ))
        if not self.bus.connection.wait_up(_CONNECT_S):
            trouble = self.bus.connection.trouble
            self.close()
            raise ServerFailed(f"the manager cannot reach its own nats-server: {trouble}")
        self.bus.serve_join(self._redeem)

    def close(self) -> None:
        """End the connection, then the server."""
        self.bus.close()
        self._server.stop_server()

    # --- admission: `bus.Enrolment`

    def invite(self, host: str, ttl_s: float) -> str:
        """Make a token with which a host may join, once, within `ttl_s`."""
        now, ttl = datetime.now(UTC), timedelta(seconds=ttl_s)
        return self._authority.new_token(host, now, ttl, self._urls)

    def revoke(self, host: str) -> bool:
        """Remove a host at once, and void its unused token. False if there was neither."""
        if not self._authority.revoke(host, datetime.now(UTC)):
            return False
        self._server.reload()
        return True

    def members(self) -> Mapping[str, datetime]:
        """Map each host that joined to the time when it joined."""
        return {name: each.issued_at for name, each in self._authority.hosts().items()}

    def _redeem(self, token_id: str, said: dict[str, Any]) -> dict[str, object]:
        host, key = str(said.get("host", "")), str(said.get("public_key", ""))
        user_jwt = self._authority.redeem(token_id, host, key, datetime.now(UTC))
        self._server.reload()  # revokes the host's earlier key
        log.warning("host %s has joined", host)
        return {"user_jwt": user_jwt, "fleet": self._fleet}
