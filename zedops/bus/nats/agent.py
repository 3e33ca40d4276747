"""An agent's side of the bus over NATS."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nats.aio.msg import Msg
from pydantic import BaseModel

from zedops import __version__
from zedops.bus.interfaces import AgentSide
from zedops.bus.nats import messages, subjects
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.client import Address
from zedops.bus.nats.connection import NatsConnection
from zedops.bus.nats.streams import MAX_STREAMS, Writer
from zedops.errors import HostUnavailable, ZedopsError
from zedops.protocol.requests import read_request, read_stream_request
from zedops.protocol.revisions import REVISION, read_document
from zedops.protocol.sync import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report

M = TypeVar("M", bound=BaseModel)
log = logging.getLogger(__name__)

ASK_S = 15.0
_THREADS = 4


def address(
    host: str, urls: tuple[str, ...], credentials: str | None, ca: str | None, *, tls_first: bool
) -> Address:
    """Make the address at which a host, or `manager`, reaches its server.

    `ca` is PEM; None: the system trusts the server's certificate, or the URL is plain `nats://`.
    """
    secure = any(not each.startswith("nats://") for each in urls)
    tls = ssl_context(ca) if ca else ssl.create_default_context() if secure else None
    return Address(urls, subjects.inbox(host), host, credentials, tls, tls_first)


class NatsLink:
    """Links one host and its manager, in both directions. Connects in the background."""

    def __init__(self, host: str, agent: AgentSide, address: Address) -> None:
        self._host, self._agent = host, agent
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bus")
        self._writers: dict[str, Writer] = {}
        #: Of the manager, as its last answer named it.
        self._revision = REVISION
        self._connection = NatsConnection(address, agent.greet)
        serve = self._connection.serve
        serve(subjects.HELLO, self._take_hello)
        serve(subjects.down(host, subjects.DESIRED), self._take_desired, in_order=True)
        serve(subjects.down(host, subjects.CALL), self._take_call)
        serve(subjects.down(host, subjects.CREDIT, "*"), self._take_grant, in_order=True)

    # --- to the manager

    def sync(self, hello: Hello) -> DesiredDocument:
        """Ask for the host's whole document."""
        document: DesiredDocument = self._ask(subjects.SYNC, hello, read_document)
        return document

    def report(self, report: Report) -> None:
        """Send a report of observed facts."""
        self._ask(subjects.REPORT, report, lambda said: said)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Say that this host is alive."""
        reply: HeartbeatReply
        reply = self._ask(subjects.HEARTBEAT, heartbeat, HeartbeatReply.model_validate)
        return reply

    def progress(self, progress: Progress) -> None:
        """Send the progress of long work, and wait for no answer."""
        subject = subjects.up(self._host, subjects.PROGRESS)
        self._connection.publish(subject, messages.pack(progress))

    def wait_up(self, timeout_s: float) -> bool:
        """Wait for a connection to the server; False at the timeout."""
        return self._connection.wait_up(timeout_s)

    @property
    def trouble(self) -> str:
        """Give the reason for a missing connection; empty if there is one."""
        return self._connection.trouble

    def close(self) -> None:
        """End all streams and the connection."""
        for writer in list(self._writers.values()):
            writer.cancel()
        self._connection.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, what: str, message: BaseModel, read: Callable[[Any], Any]) -> Any:
        subject = subjects.up(self._host, what)
        while True:
            used = self._revision
            raw, headers = self._connection.request(subject, messages.pack(message, used), ASK_S)
            self._revision = messages.revision_of(headers)
            if self._revision >= used or messages.ERROR_HEADER not in headers:
                return messages.unpack(raw, headers, read, "the manager")
            # an older manager leads now, and refused what it does not know: once more without it

    # --- from the manager

    async def _take_hello(self, _: Msg) -> None:
        await self._in_thread(self._agent.greet)

    async def _take_desired(self, message: Msg) -> None:
        def take() -> None:
            said = messages.unpack(message.data, message.headers, read_document, messages.MANAGER)
            document: DesiredDocument = said
            if document.host != self._host:
                raise ZedopsError(f"a document of host {document.host!r} came here; not taken")
            self._agent.desired(document)

        try:
            await self._in_thread(take)
        except ZedopsError as error:
            log.warning("%s", error)

    async def _take_call(self, message: Msg) -> None:
        body, headers = await self._in_thread(functools.partial(self._answer, message))
        await self._connection.reply(message, body, headers)

    async def _take_grant(self, message: Msg) -> None:
        writer = self._writers.get(message.subject.rsplit(".", 1)[-1])
        body, headers = b"{}", messages.HEADERS
        try:
            said = messages.unpack(message.data, message.headers, dict, "the manager")
            if writer is None:
                raise HostUnavailable("the stream has ended on its host")
            writer.grant(int(said["grant"]))
        except (ZedopsError, KeyError, TypeError, ValueError) as error:
            body, headers = messages.refusal(error)
        await self._connection.reply(message, body, headers)

    def _answer(self, message: Msg) -> tuple[bytes, dict[str, str]]:
        try:
            asked = messages.unpack(message.data, message.headers, dict, "the manager")
            if "stream" in asked:
                self._open(str(asked["stream"]), asked["request"])
                return b"{}", messages.HEADERS
            reply = self._agent.call(read_request(asked["request"]))
            revision = messages.revision_of(message.headers)
            return messages.pack(reply, revision), messages.HEADERS
        except ZedopsError as error:
            return messages.refusal(error)
        except (KeyError, ValueError) as error:
            first = str(error).splitlines()[0][:200]
            fact = f"this host, with zedops {__version__}, does not know the question"
            return messages.refusal(ZedopsError(f"{fact}: {first}; upgrade zedops there"))
        except Exception as error:
            log.exception("a call was not answered")
            return messages.refusal(error)

    def _open(self, stream_id: str, asked: object) -> None:
        if not stream_id.isalnum():  # it becomes part of a subject
            raise ZedopsError("a stream's id is letters and digits")
        if len(self._writers) >= MAX_STREAMS:
            raise HostUnavailable(f"{MAX_STREAMS} streams are open there; try again later")
        source = self._agent.stream(read_stream_request(asked))
        writer = Writer(self._connection, self._host, stream_id, source, self._ended)
        self._writers[stream_id] = writer
        writer.start()

    def _ended(self, stream_id: str) -> None:
        self._writers.pop(stream_id, None)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
