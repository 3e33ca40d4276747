"""A terminal in a server's container: its output is a stream, its input are requests. Pure.

The input goes beside the stream, one request after the other. Each has a number, so one that is
sent twice types nothing twice. Older agents refuse both kinds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zedops.protocol.message import Message
from zedops.spec.fields import ServerId

#: The most that one request types, in characters of base64.
MAX_INPUT = 12_000
TerminalId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Size = Annotated[int, Field(ge=1, le=1000)]


class TerminalRequest(Message):
    """Open a terminal in a server's container and stream its output."""

    kind: Literal["terminal"] = "terminal"
    server_id: ServerId
    terminal: TerminalId
    #: Empty: the first shell that the container has.
    command: tuple[str, ...] = ()
    columns: _Size = 80
    rows: _Size = 24
    who: Annotated[str, Field(max_length=300)]  #: the person, for the host's log


class TypeRequest(Message):
    """Type into a terminal, change its size, or end it."""

    kind: Literal["type"] = "type"
    terminal: TerminalId
    number: Annotated[int, Field(ge=1)]  #: of this request, counted for the terminal
    data: Annotated[str, Field(max_length=MAX_INPUT, pattern=r"^[A-Za-z0-9+/=]*$")] = ""  #: base64
    columns: _Size | None = None
    rows: _Size | None = None
    ends: bool = False


class TypedReply(Message):
    """The input was taken."""

    kind: Literal["type"] = "type"
