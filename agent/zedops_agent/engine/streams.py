"""Streams a container's log, or the output of a command in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import docker.errors
import requests.exceptions

from zedops.errors import CommandFailed, EngineFailed, EngineUnreachable
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.engine.log_reader import LogReader


class EngineStream(Iterator[bytes]):
    """An iterator of chunks. Another thread may abort it while it waits for the next chunk."""

    def __init__(
        self, chunks: Iterator[bytes], abort: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._chunks, self._abort, self._end = chunks, abort, end
        self._aborted = False

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            if not self._aborted:
                self._end()
            raise
        except docker.errors.APIError as error:
            raise EngineFailed(str(error.explanation or error)) from error
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            if self._aborted:
                raise StopIteration from error
            raise EngineUnreachable(f"the stream broke off: {error}") from error

    def abort(self) -> None:
        """End the stream, from any thread; the command itself may go on."""
        self._aborted = True
        with suppress(OSError, AttributeError, docker.errors.DockerException):
            self._abort()


class Streams:
    """Reads the output of one Engine's containers."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection

    @translated
    def last_lines(self, container: str, lines: int) -> str:
        """Read the end of a container's log as one line of text."""
        raw = self.connection.api.logs(container, tail=lines, stdout=True, stderr=True)
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        return " | ".join(line.strip() for line in text.splitlines() if line.strip())

    @translated
    def logs(
        self, container: str, tail: int, *, follow: bool, since: int | None = None
    ) -> EngineStream:
        """Stream a container's log: its last `tail` lines, then new lines if `follow`.

        `since`, in seconds since 1970, leaves out older lines.
        """
        stream = self.connection.api.logs(
            container, stream=True, follow=follow, tail=tail, since=since
        )
        return EngineStream(iter(stream), stream.close, lambda: None)

    def reader(self, container: str) -> LogReader:
        """Make a reader of a container's log with times."""
        return LogReader(self.connection, container)

    @translated
    def run(self, container: str, command: tuple[str, ...]) -> EngineStream:
        """Run a command and stream its output. Raises CommandFailed unless it ends with 0."""
        api = self.connection.api
        made = api.exec_create(container, list(command))["Id"]
        stream = api.exec_start(made, stream=True)

        def end() -> None:
            code = api.exec_inspect(made)["ExitCode"]
            if code:
                raise CommandFailed(f"{command[0]} ended with code {code}")

        return EngineStream(iter(stream), stream.close, end)
