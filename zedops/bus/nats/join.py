"""Joins a host: it makes its own key, which never leaves it, and redeems a token once."""

from __future__ import annotations

from datetime import UTC, datetime

from zedops.bus.nats import jwt, messages, subjects
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.client import Address
from zedops.bus.nats.connection import NatsConnection
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.tokens import Token
from zedops.errors import HostUnavailable, Refused, ZedopsError

_ASK_S = 15.0


def new_key() -> str:
    """Make a host's private key."""
    return jwt.new_seed(Role.USER)


def join(token: Token, seed: str) -> tuple[str, Credentials]:
    """Redeem a token for the key `seed`.

    Returns the fleet's name and the host's credentials from now on.

    The same key may ask again while the token is valid. Refused names the token's fault;
    HostUnavailable means that no manager answered.
    """
    inbox = subjects.joining_inbox(token.id)
    tls = ssl_context(token.ca)
    connection = NatsConnection(Address(token.urls, inbox, inbox, token.credentials.text, tls))
    try:
        if not connection.wait_up(_ASK_S):
            raise _why(token, connection)
        said = {"host": token.host, "public_key": jwt.public_key(seed)}
        raw, headers = connection.request(subjects.join(token.id), messages.pack(said), _ASK_S)
        answer = messages.unpack(raw, headers, dict, "the manager")
        return str(answer["fleet"]), Credentials(str(answer["user_jwt"]), seed)
    finally:
        connection.close()


def _why(token: Token, connection: NatsConnection) -> ZedopsError:
    """Explain a missing answer. The server gives no reason when it rejects a token."""
    remedy = f"make a new one: zedops host add {token.host}"
    if "uthoriz" in connection.trouble:
        return Refused(f"the token was used, replaced or has expired; {remedy}")
    if datetime.now(UTC) >= token.expires:
        return Refused(f"the token expired at {token.expires:%Y-%m-%d %H:%M} UTC; {remedy}")
    fact = f"cannot reach {connection.where}: {connection.trouble or 'no answer'}"
    return HostUnavailable(f"{fact}; see that the port is open from here")
