"""Streams a container's log, or the output of a command in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import docker.errors
import requests.exceptions

from zedops.errors import CommandFailed, EngineFailed, EngineUnreachable
from zedops_agent.engine.connection import EngineConnection


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


def logs(
    connection: EngineConnection,
    container: str,
    tail: int,
    *,
    follow: bool,
    since: int | None = None,
) -> EngineStream:
    """Stream a container's log: its last `tail` lines, then new lines if `follow`.

    `since`, in seconds since 1970, leaves out older lines.
    """
    stream = connection.api.logs(
        container, stream=True, follow=follow, tail=tail, since=since
    )
    return EngineStream(iter(stream), stream.close, lambda: None)


def run(connection: EngineConnection, container: str, command: tuple[str, ...]) -> EngineStream:
    """Run a command in a container and stream both its outputs. Raises CommandFailed unless 0."""
    api = connection.api
    made = api.exec_create(container, list(command))["Id"]
    stream = api.exec_start(made, stream=True)

    def end() -> None:
        code = api.exec_inspect(made)["ExitCode"]
        if code:
            raise CommandFailed(f"{command[0]} ended with code {code}")

    return EngineStream(iter(stream), stream.close, end)
