"""A plan and its steps: each is one Engine call or one change of a directory.

Each step carries its cause, for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zedops.spec.model import Stop
from zedops_agent.observed import Ceilings
from zedops_agent.world_steps import (
    BackUp,
    EndBackup,
    EndRestore,
    FetchWorld,
    GiveWorld,
    HoldWrites,
    NoteMove,
    OpenBackup,
    PlaceWorld,
    PutBack,
    ReleaseWrites,
    SwapWorld,
    SweepWorlds,
    TakeWorld,
    WorldStep,
)

#: Also exports the steps of `world_steps`.
__all__ = [
    "Adopt", "BackUp", "CheckPorts", "Create", "EndAstray", "EndBackup", "EndRestore",
    "FetchWorld", "GiveUp", "GiveWorld", "HoldWrites", "Join", "MakeData", "NoteMove", "OpenBackup",
    "PlaceWorld", "Plan", "Pull", "PutBack", "ReleaseWrites", "Remove", "RemoveData", "Rename",
    "Restart", "Start", "Step", "StopContainer", "SwapWorld", "SweepWorlds", "TakeWorld", "Unpause",
    "Update", "WorldStep",
]


@dataclass(frozen=True)
class Pull:
    """Bring the image to the host; `newest` asks the registry even if the host has one."""

    image: str
    newest: bool
    cause: str
    ran: str | None = None  #: id of the image that ran; preferred if the host still has it


@dataclass(frozen=True)
class CheckPorts:
    """Check that no other container or process has the ports, before a stop for them."""

    stopped_too: bool  #: containers that do not run count as well
    cause: str


@dataclass(frozen=True)
class Adopt:
    """Adopt a container that zedops did not make, unchanged: mark its data, remember its id."""

    container: str
    cause: str


@dataclass(frozen=True)
class MakeData:
    """Make the volumes' directories and mark the data ones as this server's."""

    cause: str


@dataclass(frozen=True)
class Create:
    """Make the container under its name, not started."""

    name: str
    cause: str


@dataclass(frozen=True)
class Start:
    """Start a container, by id or name, and check that the Engine has published its ports."""

    container: str
    cause: str


@dataclass(frozen=True)
class StopContainer:
    """Stop a container: commands, signal, grace, kill."""

    container: str
    stop: Stop
    cause: str


@dataclass(frozen=True)
class EndAstray:
    """End a process of a container that the Engine says has ended: signal, grace, kill."""

    container: str
    cause: str


@dataclass(frozen=True)
class Restart:
    """Stop and start a container once for a `restart:` token."""

    container: str
    stop: Stop
    token: str
    cause: str


@dataclass(frozen=True)
class Unpause:
    """Unpause a container."""

    container: str
    cause: str


@dataclass(frozen=True)
class Update:
    """Set a container's ceilings back to its definition, while it runs."""

    container: str
    ceilings: Ceilings
    cause: str


@dataclass(frozen=True)
class Join:
    """Connect a container to a missing network of its definition."""

    container: str
    network: str
    cause: str


@dataclass(frozen=True)
class Rename:
    """Give a container another name."""

    container: str
    name: str
    cause: str


@dataclass(frozen=True)
class Remove:
    """Remove a stopped container. Never touches data."""

    container: str
    cause: str


@dataclass(frozen=True)
class GiveUp:
    """Stop a container that keeps crashing and keep its last log lines as the reason."""

    container: str
    stop: Stop
    cause: str
    ran_s: float = 0.0  #: the length of its last run


@dataclass(frozen=True)
class RemoveData:
    """Remove all data of a server on this host. Only for a purge that asked for it."""

    cause: str


Step = (
    Pull | MakeData | Create | Start | StopContainer | Restart | Unpause | Rename | Remove | GiveUp
    | RemoveData | EndAstray | Update | CheckPorts | Adopt | Join | WorldStep
)


@dataclass(frozen=True)
class Plan:
    """Steps in order, the time of the next look without an event, and notes for people."""

    steps: tuple[Step, ...] = ()
    again_at: datetime | None = None
    note: str | None = None
    lost: str | None = None  #: the lost data and the remedy; the agent starts nothing
    comes_back: bool = False  #: after a failure of this plan, the previous container takes over
    pending: bool = False  #: work waits for its turn, though there are no steps
    backs_up: bool = False  #: a backup or restore is under way
    refused: str | None = None  #: the reason against the definition, until one of the two changes
