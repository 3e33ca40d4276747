"""The agent's record of a move of a server's world: facts that no later look can see. Pure."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from zedops.protocol.message import Message
from zedops.protocol.moves import MoveFacts, WorldSnapshot


class Giving(Message):
    """This host gives a world away."""

    token: str
    base: WorldSnapshot | None = None  #: of the running server
    last: WorldSnapshot | None = None  #: after its stop; dropped before it may run again
    failure: str | None = None


class Taking(Message):
    """This host takes a world over."""

    token: str
    at: datetime
    has_room: bool = False  #: the world fits here
    fetched: str | None = None  #: the snapshot that was fetched last
    beside: str | None = None  #: the snapshot that is beside, whole and as it was fetched
    places: dict[str, str] = Field(default={})  #: volume → its path in the snapshot
    about: str = ""  #: the path there of its description
    settled: bool = False  #: the fetched world is verified, and about to be put in its place
    aside: str = ""  #: the directory of a world that was there before
    placed: str | None = None  #: the snapshot that is the world here
    started: datetime | None = None  #: the server may have run with it since
    over: bool = False  #: it runs with it
    failure: str | None = None


def facts(giving: Giving | None, taking: Taking | None, token: str | None) -> MoveFacts | None:
    """Say how far the move of this name is; None where this host knows nothing of it."""
    if taking is not None and taking.token == token:
        return MoveFacts(token=taking.token, fetched=taking.fetched, placed=taking.placed,
                         proven=taking.over, failure=taking.failure)
    if giving is not None and giving.token == token:
        return MoveFacts(token=giving.token, base=giving.base, last=giving.last,
                         failure=giving.failure)
    return None
