"""Streams with credits: a log or a command's output from a host to the manager.

The manager grants the host a few chunks at a time, and more as it hands them on. So neither side
holds more than `WINDOW` chunks, at any speed of the other. Without credits NATS drops unread
messages silently. Chunks are counted; a gap ends the stream with an error. Each grant is a request,
so both sides notice if the other one is gone.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zedops.bus.interfaces import Stream
from zedops.bus.nats import messages, subjects
from zedops.bus.nats.connection import NatsConnection
from zedops.errors import HostUnavailable, ZedopsError

log = logging.getLogger(__name__)

CHUNK_BYTES = 32 * 1024
WINDOW = 16
#: A reader sends a grant, perhaps of 0, at least this often, to show the host that it still reads.
GRANT_S = 10.0
LOST_S = 3 * GRANT_S
#: A host serves at most this many streams at once; more is a mistake or an attack.
MAX_STREAMS = 32
#: Chunks of a stream that the host has ended arrive within this.
_LAST_S = 2.0
_COUNT, _END = "Zed-Chunk", "Zed-End"


# --- the manager reads


@dataclass
class Reader:
    """One stream from a host, as an iterator of chunks."""

    connection: NatsConnection
    host: str
    stream_id: str
    _arrived: queue.Queue[tuple[bytes, dict[str, str]]] = field(default_factory=queue.Queue)
    _granted: float = field(default_factory=time.monotonic)
    _lost: HostUnavailable | None = None

    async def take(self, raw: bytes, headers: dict[str, str]) -> None:
        """Take a chunk that arrived; a host that exceeds its grant loses the stream."""
        if self._arrived.qsize() > 2 * WINDOW or len(raw) > 2 * CHUNK_BYTES:
            self._lost = HostUnavailable(f"host {self.host} sent more than it was asked for")
            return
        self._arrived.put((raw, headers))

    def chunks(self) -> Iterator[bytes]:
        """Yield chunk by chunk; ends, or raises, as the host's own iterator did. Empty: silence."""
        expected = unsaid = 0
        while True:
            try:
                raw, headers = self._arrived.get(timeout=self._patience_s())
            except queue.Empty:
                if self._lost is not None:
                    raise self._lost from None
                self._grant(unsaid)
                unsaid = 0
                if self._lost is None:
                    yield b""  # the reader's caller may be gone
                continue
            if headers.get(_END):
                if messages.ERROR_HEADER in headers:
                    messages.unpack(raw, headers, dict, f"host {self.host}")
                return
            if headers.get(_COUNT) != str(expected):
                raise HostUnavailable(f"host {self.host}: part of the stream was lost; ask again")
            expected, unsaid = expected + 1, unsaid + 1
            yield raw
            due = unsaid >= WINDOW // 2 or time.monotonic() - self._granted > GRANT_S
            if due and self._lost is None:
                self._grant(unsaid)
                unsaid = 0

    def _patience_s(self) -> float:
        return GRANT_S if self._lost is None else _LAST_S

    def _grant(self, count: int) -> None:
        """Let the host send more. A host that has ended the stream refuses: read on."""
        subject = subjects.down(self.host, subjects.CREDIT, self.stream_id)
        try:
            raw, headers = self.connection.request(subject, messages.pack({"grant": count}), 10)
            messages.unpack(raw, headers, dict, f"host {self.host}")
        except HostUnavailable as error:
            self._lost = HostUnavailable(f"host {self.host}: the stream broke off ({error})")
        self._granted = time.monotonic()

    def cancel(self) -> None:
        """Tell the host that the manager has stopped reading."""
        subject = subjects.down(self.host, subjects.CREDIT, self.stream_id)
        with contextlib.suppress(HostUnavailable):
            self.connection.publish(subject, messages.pack({"grant": -1}))


# --- the host writes


@dataclass
class Writer:
    """Sends one iterator's chunks, in a thread of its own."""

    connection: NatsConnection
    host: str
    stream_id: str
    source: Stream
    ended: Callable[[str], None]
    _credit: int = WINDOW
    _heard: float = field(default_factory=time.monotonic)
    _cancelled: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        """Begin to send."""
        for work in (self._send, self._guard):
            threading.Thread(target=work, name=f"stream-{self.stream_id}", daemon=True).start()

    def grant(self, count: int) -> None:
        """Take a grant; less than 0 ends the stream."""
        with self._changed:
            self._heard = time.monotonic()
            self._credit += max(count, 0)
            self._cancelled = self._cancelled or count < 0
            self._changed.notify_all()

    def cancel(self) -> None:
        """End the stream from this side."""
        self.grant(-1)

    def _send(self) -> None:
        end: tuple[bytes, dict[str, str]] = (b"", {_END: "1"})
        count = 0
        try:
            for piece in self.source:
                for at in range(0, len(piece), CHUNK_BYTES):
                    chunk = piece[at : at + CHUNK_BYTES]
                    if not (self._may_send() and self._say(chunk, {_COUNT: str(count)})):
                        return
                    count += 1
        except Exception as error:
            if not isinstance(error, ZedopsError):
                log.exception("a stream failed")
            body, headers = messages.refusal(error)
            end = (body, {**headers, _END: "1"})
        finally:
            self._finish(end)

    def _say(self, raw: bytes, headers: dict[str, str]) -> bool:
        try:
            subject = subjects.up(self.host, subjects.STREAM, self.stream_id)
            self.connection.publish(subject, raw, headers)
        except HostUnavailable as error:
            log.info("a stream broke off: %s", error)
            return False
        return True

    def _finish(self, end: tuple[bytes, dict[str, str]]) -> None:
        with self._changed:
            was, self._cancelled = self._cancelled, True
            self._changed.notify_all()
        if not was:
            self._say(*end)
        self.ended(self.stream_id)

    def _may_send(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._credit > 0 or self._cancelled)
            self._credit -= 1
            return not self._cancelled

    def _guard(self) -> None:
        """Abort the source when the reader is gone: while it is silent, no send can fail."""
        with self._changed:
            while not self._cancelled:
                left = self._heard + LOST_S - time.monotonic()
                if left <= 0:
                    self._cancelled = True
                else:
                    self._changed.wait(left)
            self._changed.notify_all()
        self.source.abort()
