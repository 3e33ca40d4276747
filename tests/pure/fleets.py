"""Fleets, documents and states in memory, for tests of the pure rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from zedops.fleet.fleet import Fleet
from zedops.spec import document, state_block
from zedops.spec.document import Document
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Say what time it is so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def server_id(number: int) -> str:
    """Make the n-th server id."""
    return f"{number:026d}"


def counter(start: int = 1) -> Callable[[], str]:
    """Make a source of ids that counts."""
    given = [start - 1]

    def next_id() -> str:
        given[0] += 1
        return server_id(given[0])

    return next_id


def running(number: int, **facts: object) -> State:
    """Make the state of a server that runs on `local`."""
    known = State(
        id=server_id(number), status=Status.RUNNING, data_exists=True, host="local",
        container="4af7e4335a04", image="sha256:aa", commit="3f2a1c9", since=NOW,
    )
    return known.model_copy(update=facts)


def doc(path: str, head: str = "image: a\n", state: State | None = None) -> Document:
    """Read a file as git would hand it over."""
    return document.parse(path, state_block.render(head, state))


def fleet_of(*documents: Document, settings: Settings | None = None) -> Fleet:
    """Put documents together."""
    chosen = settings or Settings(name="fleet", hosts=("local",))
    return Fleet(settings=chosen, documents={each.path: each for each in documents})


def as_pushed(fleet: Fleet, changes: Mapping[str, bytes | None]) -> Fleet:
    """Read what a push brings, states as the files say."""
    read = {
        path: document.parse(path, content) if content is not None else None
        for path, content in changes.items()
    }
    return fleet.with_documents(read)
