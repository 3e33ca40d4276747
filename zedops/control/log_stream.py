"""Reads lines of logs from the manager's socket, for commands and for the page."""

from __future__ import annotations

from collections.abc import Iterator

from zedops.errors import HostUnavailable
from zedops.protocol.log_lines import MAX_LINE, End, Line, read

#: The most that one line may take on the way: escapes of JSON make it longer.
_MOST = 8 * MAX_LINE


def records(pieces: Iterator[str]) -> Iterator[Line | End]:
    """Read a stream's records; a host that sends none, or too much, ends the stream."""
    held = ""
    for piece in pieces:
        *rows, held = (held + piece).split("\n")
        if len(held) > _MOST:
            raise HostUnavailable("its host sent a line that is too long")
        for row in rows:
            try:
                yield read(row)
            except ValueError as error:
                fact = "its host sent no lines of a log"
                raise HostUnavailable(f"{fact}; update its agent") from error
