"""Gives a silent stream a pulse: its reader writes to a caller, and so notices that one is gone.

Holds no rules of streams: those over NATS have grants for this.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

#: The longest silence between two chunks. A caller that went away holds a stream for so long.
PULSE_S = 10.0
_AHEAD, _LOOK_S = 8, 1.0


def with_pulse(source: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a source, and an empty one after each `PULSE_S` of silence.

    Raises what the source raises. The caller aborts the source, which ends the thread that reads.
    """
    arrived: queue.Queue[bytes | Exception | None] = queue.Queue(_AHEAD)
    gone = threading.Event()

    def hand_over(each: bytes | Exception | None) -> None:
        while not gone.is_set():
            try:
                arrived.put(each, timeout=_LOOK_S)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for chunk in source:
                hand_over(chunk)
                if gone.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - it is raised where the stream is read
            hand_over(error)
        else:
            hand_over(None)

    threading.Thread(target=read, name="stream", daemon=True).start()
    try:
        while True:
            try:
                each = arrived.get(timeout=PULSE_S)
            except queue.Empty:
                yield b""
                continue
            if each is None:
                return
            if isinstance(each, Exception):
                raise each
            yield each
    finally:
        gone.set()
