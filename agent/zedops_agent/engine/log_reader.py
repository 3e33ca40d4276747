"""Reads a container's log from the Engine, message by message, with times.

docker-py's own reader needs two calls for each message; a log has a million of them. So this one
takes large pieces and cuts them itself (Docker API, "Stream format" of `attach`).
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker.errors
import requests
import urllib3.exceptions
from docker.types import CancellableStream

from zedops.errors import EngineUnreachable
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.log_lines import Message

_PIECE = 1 << 16
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
#: An Engine that says nothing for so long has hung; a follower waits longer.
_SILENCE_S = 60.0
#: Errors of a connection that breaks, or that another thread has closed.
_BROKEN = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError,
           ValueError, AttributeError, docker.errors.DockerException)


class LogReader:
    """One reading of one container's log. Another thread may abort it."""

    def __init__(self, connection: EngineConnection, container: str) -> None:
        self.connection, self._container = connection, container
        self._answer: requests.Response | None = None
        self._lock = threading.Lock()
        self.aborted = False

    def read(
        self, tail: int | None, *, since: str = "", until: str = "", follow: bool = False
    ) -> Iterator[Message]:
        """Read the last `tail` messages, or all; `since` and `until` are seconds since 1970."""
        params: dict[str, Any] = {
            "stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow),
            "tail": "all" if tail is None else tail,
        }
        params |= {key: each for key, each in (("since", since), ("until", until)) if each}
        has_frames, answer = self._open(params, None if follow else _SILENCE_S)
        pieces = self._pieces(answer, follow=follow)
        try:
            yield from _frames(pieces) if has_frames else _rows(pieces)
        finally:
            self._close()

    @translated
    def _open(self, params: dict[str, Any], silence_s: float | None) -> tuple[bool, Any]:
        api = self.connection.api
        has_frames = not api.inspect_container(self._container)["Config"]["Tty"]
        url = f"{api.base_url}/v{api.api_version}/containers/{self._container}/logs"
        answer = api.get(url, params=params, stream=True, timeout=(_SILENCE_S, silence_s))
        try:
            answer.raise_for_status()
        except requests.exceptions.HTTPError as error:
            raise docker.errors.create_api_error_from_http_exception(error) from error
        with self._lock:
            self._answer = answer
            if self.aborted:
                answer.close()
        return has_frames, answer

    def _pieces(self, answer: Any, *, follow: bool) -> Iterator[bytes]:
        try:
            if follow:  # a piece is what has come
                yield from answer.raw.stream(_PIECE, decode_content=False)
            else:  # a piece is large
                while piece := answer.raw.read(_PIECE):
                    yield piece
        except _BROKEN as error:
            if not self.aborted:
                raise EngineUnreachable(f"the log broke off: {error}") from error

    def abort(self) -> None:
        """End the reading, from any thread."""
        with self._lock:
            self.aborted = True
        self._close()

    def _close(self) -> None:
        answer = self._answer
        if answer is not None:
            with suppress(*_BROKEN):
                # its `close` wakes a thread that waits for the next message
                CancellableStream(iter(()), answer).close()
            with suppress(*_BROKEN):
                answer.close()


def _frames(pieces: Iterator[bytes]) -> Iterator[Message]:
    held = b""
    for piece in pieces:
        held += piece
        at, size = 0, len(held)
        while at + 8 <= size:
            kind, length = _HEADER.unpack_from(held, at)
            end = at + 8 + length
            if end > size:
                break
            yield kind == _STDERR, held[at + 8 : end]
            at = end
        held = held[at:]


def _rows(pieces: Iterator[bytes]) -> Iterator[Message]:
    """Cut the log of a terminal, which has no frames, at its line ends."""
    held = b""
    for piece in pieces:
        *rows, held = (held + piece).split(b"\n")
        for row in rows:
            yield False, row + b"\n"
        if len(held) > _PIECE:  # a bar that is drawn again and again ends no line
            yield False, held
            held = b""
    if held:
        yield False, held
