"""One connection to NATS, kept up for ever, with blocking calls for the threads of zedops.

An event loop in a thread of its own owns the client. Every break makes a new client: nats-py's own
reconnection replays what was published meanwhile (a late report would overtake a newer one), keeps
dead TLS peers for 44 s and more, and raises while it drains. Here a broken connection fails
every request at once, and `on_up` begins the new one with a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from zedops.bus.nats.client import CONNECT_S, Address, connect, drop
from zedops.bus.nats.messages import HEADERS
from zedops.errors import HostUnavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

RETRY_S = 1.0
#: The connection notices a silent peer within the sum of these.
PING_S, PONG_S = 4.0, 5
#: The errors of a connection that breaks or hangs.
_BROKEN = (OSError, nats.errors.Error, TimeoutError)

Handler = Callable[[Msg], Awaitable[None]]


class NatsConnection:
    """Connects in the background and again after every break, until `close`.

    `on_up` runs in a thread of its own each time a connection is made and subscribed.
    """

    def __init__(self, address: Address, on_up: Callable[[], None] = lambda: None) -> None:
        self.address = address
        self._on_up = on_up
        self._handlers: dict[str, Handler] = {}  # as the library calls them
        self._client: Client | None = None
        self._broken = asyncio.Event()
        self._subscribed: dict[str, Subscription] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: set[asyncio.Task[Msg]] = set()
        self._up = threading.Event()
        self._said: set[str] = set()
        self._asking, self._ending = threading.Lock(), False
        #: Why there is no connection, in the library's words.
        self.trouble = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="nats", daemon=True)
        self._thread.start()

    # --- for threads

    @property
    def where(self) -> str:
        """Name the server, for messages."""
        return ", ".join(self.address.urls)

    def wait_up(self, timeout_s: float) -> bool:
        """Wait for a connection; False if there is none in time."""
        return self._up.wait(timeout_s)

    def request(self, subject: str, raw: bytes, timeout_s: float) -> tuple[bytes, dict[str, str]]:
        """Ask and wait for the answer. HostUnavailable if none comes."""
        reply = self._wait(self._request(subject, raw, timeout_s), timeout_s + 1)
        return reply.data, dict(reply.headers or {})

    def publish(
        self, subject: str, raw: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish a message. HostUnavailable without a connection."""
        self._wait(self._publish(subject, raw, headers), PONG_S)

    def serve(self, subject: str, handler: Handler, *, in_order: bool = False) -> None:
        """Give every message of a subject to `handler`, from now on and after every break.

        Each message has a task of its own, so that a slow one does not delay the others. With
        `in_order` the handler takes them one after the other.
        """
        self._wait(self._serve(subject, handler if in_order else self._spread(handler)), PONG_S)

    def unserve(self, subject: str) -> None:
        """Unsubscribe from a subject."""
        with contextlib.suppress(HostUnavailable):
            self._wait(self._unserve(subject), PONG_S)

    def run(self, work: Callable[[Client], Coroutine[Any, Any, T]], timeout_s: float) -> T:
        """Run work that needs the client itself. HostUnavailable without a connection."""

        async def worked() -> T:
            try:
                return await asyncio.wait_for(work(self._live()), timeout_s)
            except (OSError, TimeoutError) as error:
                words = str(error) or type(error).__name__
                raise HostUnavailable(f"no answer: {words}") from error

        return self._wait(worked(), timeout_s)

    async def reply(self, message: Msg, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer a message, for handlers; without a connection the answer is dropped."""
        if message.reply:
            with contextlib.suppress(HostUnavailable):
                await self._publish(message.reply, body, headers)

    def close(self) -> None:
        """End the connection and its thread."""
        with self._asking:
            self._ending = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._break)
        self._thread.join(timeout=CONNECT_S)

    def _wait(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        with self._asking:  # work that the loop has before `close` ends with the loop
            if self._ending:
                work.close()
                raise HostUnavailable("the connection was closed")
            future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s + CONNECT_S)
        except FutureTimeout as error:
            future.cancel()
            raise HostUnavailable(f"{self.where} does not answer") from error
        except CancelledError as error:
            raise HostUnavailable("the connection was closed") from error

    # --- in the loop

    def _run(self) -> None:
        # the Runner ends every task of the loop with it
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._keep_up())

    async def _keep_up(self) -> None:
        while not self._ending:
            self._broken.clear()
            client = Client()
            try:
                await connect(client, self.address, self._note, self._break)
                self._client = client
                for subject, handler in list(self._handlers.items()):
                    await self._subscribe(client, subject, handler)
                await self._settle(client)
                self._said_up()
                await self._watch(client)
            except _BROKEN as error:
                self._note(error)
            finally:
                self._client = None
                self._up.clear()
                await self._drop(client)
            if not self._ending:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._broken.wait(), RETRY_S)

    async def _watch(self, client: Client) -> None:
        """Ping the server until the connection breaks."""
        while not self._ending and client.is_connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), PING_S)
                return
            await client.rtt(PONG_S)

    async def _drop(self, client: Client) -> None:
        self._subscribed.clear()
        for task in self._asked:
            task.cancel()
        await drop(client)

    def _break(self) -> None:
        self._broken.set()

    def _note(self, error: Exception) -> None:
        """Keep the reason of a missing connection; the library's last error tells the least."""
        if isinstance(error, nats.errors.NoServersError) and self.trouble:
            return
        self.trouble = " ".join((str(error) or type(error).__name__).removeprefix("nats: ").split())
        if self.trouble not in self._said and not self._ending:
            log.warning("no connection to %s: %s; trying on", self.where, self.trouble)
        self._said.add(self.trouble)

    def _said_up(self) -> None:
        log.log(logging.WARNING if self._said else logging.INFO, "connected to %s", self.where)
        self.trouble = ""
        self._said.clear()
        self._up.set()
        threading.Thread(target=self._on_up, name="nats-up", daemon=True).start()

    def _spread(self, handler: Handler) -> Handler:
        async def spread(message: Msg) -> None:
            task = asyncio.ensure_future(handler(message))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        return spread

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a message was not handled", exc_info=error)

    def _live(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise HostUnavailable(f"no connection to {self.where}: {self.trouble or 'not yet'}")
        return self._client

    async def _request(self, subject: str, raw: bytes, timeout_s: float) -> Msg:
        asked = self._live().request(subject, raw, timeout=timeout_s, headers=HEADERS)
        task = asyncio.ensure_future(asked)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        try:
            return await task
        except asyncio.CancelledError as error:
            raise HostUnavailable(f"the connection to {self.where} broke") from error
        except nats.errors.NoRespondersError as error:
            raise HostUnavailable("no agent or manager listens there") from error
        except _BROKEN as error:
            words = str(error) or type(error).__name__
            raise HostUnavailable(f"no answer: {words}") from error

    async def _publish(
        self, subject: str, raw: bytes, headers: Mapping[str, str] | None
    ) -> None:
        try:
            await self._live().publish(subject, raw, headers={**HEADERS, **(headers or {})})
        except _BROKEN as error:
            raise HostUnavailable(f"cannot send: {error}") from error

    async def _serve(self, subject: str, handler: Handler) -> None:
        await self._unserve(subject)
        self._handlers[subject] = handler
        if self._client is not None and self._client.is_connected:
            with contextlib.suppress(*_BROKEN):  # the next connection subscribes to it
                await self._subscribe(self._client, subject, handler)
                await self._settle(self._client)

    async def _settle(self, client: Client) -> None:
        """Return once the server knows of every subscription made before.

        One flush is not enough: nats-py sends its PING ahead of commands that still wait. Under
        load 3-5 % of the first requests found no responder. The second PING follows the commands.
        """
        await client.flush(PONG_S)
        await client.flush(PONG_S)

    async def _subscribe(self, client: Client, subject: str, handler: Handler) -> None:
        self._subscribed[subject] = await client.subscribe(subject, cb=handler)

    async def _unserve(self, subject: str) -> None:
        self._handlers.pop(subject, None)
        subscription = self._subscribed.pop(subject, None)
        if subscription is not None:
            with contextlib.suppress(*_BROKEN):
                await subscription.unsubscribe()
