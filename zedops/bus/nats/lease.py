"""Elects one of several managers: a lease in a key-value bucket of NATS JetStream.

The bucket drops a key that is not renewed within `TTL_S`; the manager that creates it again leads.
The lease only elects. The epoch keeps a deposed manager from doing harm (`manager.leadership`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid

import nats.errors
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from nats.js.kv import KeyValue

from zedops.bus.nats.connection import NatsConnection
from zedops.errors import HostUnavailable, ServerFailed

log = logging.getLogger(__name__)

#: Fail-over after a crash takes about this long: 4.0 s measured for 5 s, 2.8 s for 3 s.
TTL_S = 4.0
RENEW_S = 1.0
#: A holder trusts its lease for less time than the bucket keeps it: clocks differ in speed.
BELIEVED_S = TTL_S - 1.0
_ASK_S = 2.0
_BUCKET = "zedops-lease"


class NatsLease:
    """One manager's part in the election for one fleet. `close` gives the lease back."""

    def __init__(self, connection: NatsConnection, fleet: str) -> None:
        """Make the bucket if it is not there. ServerFailed without JetStream."""
        self._connection, self._key = connection, fleet
        self._me = uuid.uuid4().hex.encode()
        self._revision: int | None = None
        self._renewed = float("-inf")
        self._ending = threading.Event()
        try:
            connection.run(_bucket, 4 * _ASK_S)
        except (nats.errors.Error, JetStreamError) as error:
            remedy = "enable JetStream for the manager's account, or run one manager only"
            words = str(error) or type(error).__name__
            raise ServerFailed(f"no lease can be kept in this NATS ({words}); {remedy}") from error
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    @property
    def held(self) -> bool:
        """Say whether this manager leads, by its last renewal and its own clock."""
        return not self._ending.is_set() and time.monotonic() - self._renewed < BELIEVED_S

    def wait(self, timeout_s: float) -> bool:
        """Wait until this manager leads; False at the timeout."""
        deadline = time.monotonic() + timeout_s
        while not self.held and time.monotonic() < deadline and not self._ending.is_set():
            self._ending.wait(0.05)
        return self.held

    def close(self) -> None:
        """Give the lease back, so that another manager need not wait for its end."""
        led = self.held
        self._ending.set()
        self._thread.join(2 * _ASK_S)  # a late renewal would undo the return
        if led:
            with contextlib.suppress(HostUnavailable, nats.errors.Error, JetStreamError):
                self._connection.run(self._give_back, _ASK_S)

    # --- inside

    def _run(self) -> None:
        while not self._ending.wait(RENEW_S):
            asked = time.monotonic()
            try:
                self._connection.run(self._renew if self.held else self._acquire, _ASK_S)
                self._renewed = asked  # not the answer's arrival, which may be much later
            except (HostUnavailable, nats.errors.Error, JetStreamError) as error:
                log.debug("the lease: %s", error)

    async def _acquire(self, client: Client) -> None:
        kv = await _bucket(client)
        try:
            entry = await kv.get(self._key)
        except NotFoundError:  # deleted, expired or never there
            self._revision = await kv.create(self._key, self._me)
            return
        if entry.value != self._me:
            raise HostUnavailable("another manager leads")
        self._revision = await kv.update(self._key, self._me, last=entry.revision)

    async def _renew(self, client: Client) -> None:
        kv = await _bucket(client)
        self._revision = await kv.update(self._key, self._me, last=self._revision)

    async def _give_back(self, client: Client) -> None:
        kv = await _bucket(client)
        await kv.purge(self._key)


async def _bucket(client: Client) -> KeyValue:
    context = client.jetstream(timeout=_ASK_S)
    try:
        return await context.key_value(_BUCKET)
    except NotFoundError:
        # in memory: a lease that outlives its server's restart would only delay the next leader
        wanted = KeyValueConfig(bucket=_BUCKET, ttl=TTL_S, history=1, storage=StorageType.MEMORY)
        return await context.create_key_value(wanted)
