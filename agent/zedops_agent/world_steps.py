"""The steps that copy worlds and bring them back: each is one effect, with its cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OpenBackup:
    """Open the repository and note that a backup begins; the server is not touched."""

    token: str
    reason: str
    was_up: bool
    cause: str


@dataclass(frozen=True)
class HoldWrites:
    """Run the commands that make a running server save, and write no more."""

    container: str
    commands: tuple[tuple[str, ...], ...]
    cause: str


@dataclass(frozen=True)
class BackUp:
    """Make the snapshot of all data volumes; it is made once, also after a crash."""

    cause: str


@dataclass(frozen=True)
class ReleaseWrites:
    """Run the commands that let a running server write again."""

    container: str
    commands: tuple[tuple[str, ...], ...]
    cause: str


@dataclass(frozen=True)
class EndBackup:
    """Note that the server goes on as before a backup, and remove snapshots past their time."""

    cause: str


@dataclass(frozen=True)
class FetchWorld:
    """Restore a snapshot beside the world and verify it; the world is not touched."""

    token: str
    was_up: bool
    cause: str


@dataclass(frozen=True)
class SwapWorld:
    """Put the restored world in the place of the present one, which is kept aside."""

    cause: str


@dataclass(frozen=True)
class PutBack:
    """Put the former world back into its place."""

    cause: str


@dataclass(frozen=True)
class EndRestore:
    """Note the result of a restore."""

    cause: str


@dataclass(frozen=True)
class SweepWorlds:
    """Remove former worlds whose retention is over."""

    names: tuple[str, ...]
    cause: str


@dataclass(frozen=True)
class GiveWorld:
    """Make a snapshot for a move; the `last` one is made after the server was stopped."""

    last: bool
    cause: str


@dataclass(frozen=True)
class TakeWorld:
    """Fetch the snapshot of a move beside, and verify it."""

    cause: str


@dataclass(frozen=True)
class PlaceWorld:
    """Put the fetched world in its place, on a host that does not act for the server yet."""

    cause: str


@dataclass(frozen=True)
class NoteMove:
    """Note a fact of a move: it begins, fits, starts, fails, is over; or a snapshot is void."""

    what: Literal["begin", "room", "start", "fail", "over", "drop"]
    text: str | None
    cause: str


WorldStep = (
    OpenBackup | HoldWrites | BackUp | ReleaseWrites | EndBackup | FetchWorld | SwapWorld
    | PutBack | EndRestore | SweepWorlds | GiveWorld | TakeWorld | PlaceWorld | NoteMove
)
