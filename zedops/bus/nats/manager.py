"""The manager's side of the bus over NATS."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nats.aio.msg import Msg
from pydantic import BaseModel

from zedops.bus.interfaces import ManagerSide
from zedops.bus.nats import messages, subjects
from zedops.bus.nats.client import Address
from zedops.bus.nats.connection import NatsConnection
from zedops.bus.nats.streams import Reader
from zedops.errors import HostUnavailable, VersionMismatch, ZedopsError
from zedops.protocol.moves import MoveWriteRequest
from zedops.protocol.requests import Reply, Request, StreamRequest, read_reply
from zedops.protocol.revisions import REVISION
from zedops.protocol.sync import DesiredDocument, Heartbeat, Hello, Progress, Report

M = TypeVar("M", Hello, Heartbeat, Report, Progress)
log = logging.getLogger(__name__)

CALL_S = 30.0
_SHORT = messages.SHORT_BYTES
_LIMITS = {subjects.REPORT: messages.REPORT_BYTES}
#: Agents' requests are short work under one lock: more threads would only wait for it.
_THREADS = 4


class NatsBus:
    """Every host behind one NATS server, or a cluster of them."""

    def __init__(self, address: Address) -> None:
        self._manager: ManagerSide | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bus")
        self._turns: dict[str, asyncio.Lock] = {}
        self._mismatched: set[str] = set()
        #: Of hosts, as their last message named it.
        self._revisions: dict[str, int] = {}
        self._connection = NatsConnection(address, self._say_hello)

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents from now on, and greet all of them."""
        self._manager = manager
        answers: dict[str, tuple[type[Any], Callable[[Any], BaseModel | None]]] = {
            subjects.SYNC: (Hello, manager.sync),
            subjects.HEARTBEAT: (Heartbeat, manager.heartbeat),
            subjects.REPORT: (Report, manager.report),
            subjects.PROGRESS: (Progress, manager.progress),
        }
        for what, (model, answer) in answers.items():
            handler = functools.partial(self._handle, model, answer, _LIMITS.get(what, _SHORT))
            self._connection.serve(subjects.up("*", what), handler)
        self._say_hello()

    def serve_join(self, redeem: Callable[[str, dict[str, Any]], dict[str, object]]) -> None:
        """Let hosts join: `redeem` takes a token's id and its holder's message."""

        async def handle(message: Msg) -> None:
            token_id = subjects.speaker(message.subject)

            def read(said: Any) -> dict[str, Any]:
                if not isinstance(said, dict):
                    raise ValueError("no mapping")
                return said

            await self._answer(message, read, functools.partial(redeem, token_id))

        self._connection.serve(subjects.join("*"), handle)

    def unserve(self) -> None:
        """Leave the agents to another manager."""
        self._manager = None
        for what in (subjects.SYNC, subjects.HEARTBEAT, subjects.REPORT, subjects.PROGRESS):
            self._connection.unserve(subjects.up("*", what))

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host; an absent host gets it when it syncs."""
        subject = subjects.down(document.host, subjects.DESIRED)
        with contextlib.suppress(HostUnavailable):
            # a host that was not heard yet asks for its document after it refused this one
            revision = self._revisions.get(document.host, REVISION)
            self._connection.publish(subject, messages.pack(document, revision))

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something."""
        compress = not isinstance(request, MoveWriteRequest)  # restic's files are packed already
        said = self._ask(host, {"request": request.model_dump(mode="json")}, compress=compress)
        return read_reply(said)

    def stream(self, host: str, request: StreamRequest) -> Generator[bytes, None, None]:
        """Stream something from a host."""
        reader = Reader(self._connection, host, uuid.uuid4().hex)
        subject = subjects.up(host, subjects.STREAM, reader.stream_id)

        async def take(message: Msg) -> None:
            await reader.take(message.data, dict(message.headers or {}))

        self._connection.serve(subject, take, in_order=True)
        try:
            self._ask(host, {
                "stream": reader.stream_id,
                # an older agent knows no `since`
                "request": request.model_dump(mode="json", exclude_none=True),
            })
            yield from reader.chunks()
        finally:
            self._connection.unserve(subject)
            reader.cancel()

    def close(self) -> None:
        """End the connection and the threads."""
        self._connection.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def connection(self) -> NatsConnection:
        """Give the connection, for other users of it."""
        return self._connection

    # --- inside

    def _ask(self, host: str, question: dict[str, object], *, compress: bool = True) -> Any:
        subject = subjects.down(host, subjects.CALL)
        try:
            asked = messages.pack(question, compress=compress)
            raw, headers = self._connection.request(subject, asked, CALL_S)
        except HostUnavailable as error:
            raise HostUnavailable(f"host {host!r} does not answer ({error})") from error
        return messages.unpack(
            raw, headers, lambda said: said, f"host {host!r}", messages.REPLY_BYTES
        )

    def _say_hello(self) -> None:
        if self._manager is not None:
            with contextlib.suppress(HostUnavailable):
                self._connection.publish(subjects.HELLO, b"{}")

    async def _handle(
        self, model: type[M], answer: Callable[[M], BaseModel | None], limit: int, message: Msg
    ) -> None:
        host = subjects.speaker(message.subject)

        def read(said: Any) -> M:
            read_message = model.model_validate(said)
            if read_message.host != host:
                raise ValueError(f"it speaks of host {read_message.host!r}")
            return read_message

        # one host's reports must be taken in the order in which it sent them
        async with self._turns.setdefault(f"{host} {model.__name__}", asyncio.Lock()):
            await self._answer(message, read, answer, limit)

    async def _answer(
        self,
        message: Msg,
        read: Callable[[Any], Any],
        answer: Callable[[Any], BaseModel | dict[str, object] | None],
        limit: int = _SHORT,
    ) -> None:
        if message.reply and not subjects.is_answerable(message.subject, message.reply):
            log.warning("%s wants its answer at %s; dropped", message.subject, message.reply)
            return
        if self._manager is not None and not self._manager.speaks:
            return  # another one answers
        loop = asyncio.get_running_loop()
        work = functools.partial(self._work, message, read, answer, limit)
        body, headers = await loop.run_in_executor(self._pool, work)
        await self._connection.reply(message, body, headers)

    def _work(
        self,
        message: Msg,
        read: Callable[[Any], Any],
        answer: Callable[[Any], BaseModel | dict[str, object] | None],
        limit: int,
    ) -> tuple[bytes, dict[str, str]]:
        who = subjects.speaker(message.subject)
        try:
            said = messages.unpack(message.data, message.headers, read, f"host {who!r}", limit)
            revision = self._revisions[who] = messages.revision_of(message.headers)
            return messages.pack(answer(said) or {}, revision), messages.HEADERS
        except VersionMismatch as error:
            if who not in self._mismatched:
                log.warning("%s", error)
            self._mismatched.add(who)
            return messages.refusal(error)
        except ZedopsError as error:
            log.info("%s: %s", message.subject, error)
            return messages.refusal(error)
        except Exception as error:
            log.exception("%s was not answered", message.subject)
            return messages.refusal(error)
