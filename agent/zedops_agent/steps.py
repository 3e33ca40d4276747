"""A plan, and the steps that it is made of: each one Engine call or one touch of a directory.

Each step carries its cause, which a person will read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zedops.model import Stop
from zedops_agent.observed import Ceilings


@dataclass(frozen=True)
class Pull:
    """Have the image on the host; `newest` asks the registry even if one is there."""

    image: str
    newest: bool
    cause: str
    ran: str | None = None  #: id of the image that ran, which is taken if it is here still


@dataclass(frozen=True)
class CheckPorts:
    """See that nobody else on the host has the ports, before anything is taken down for them."""

    stopped_too: bool  #: containers that do not run count as well
    cause: str


@dataclass(frozen=True)
class Adopt:
    """Take over a container that somebody else made, as it is: mark its data, remember its id."""

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
    """Start a container, by id or name, and see that its ports are published."""

    container: str
    cause: str


@dataclass(frozen=True)
class StopContainer:
    """Stop a container the one way there is: commands, signal, grace, kill."""

    container: str
    stop: Stop
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
    """Let a paused container go on."""

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
    """Have a container in a network that it is to be in and is not."""

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
    ran_s: float = 0.0  #: how long it ran the last time


@dataclass(frozen=True)
class RemoveData:
    """Remove everything that this host keeps of a server. Only for a purge that asked for it."""

    cause: str


Step = (
    Pull | MakeData | Create | Start | StopContainer | Restart | Unpause | Rename | Remove | GiveUp
    | RemoveData | Update | CheckPorts | Adopt | Join
)


@dataclass(frozen=True)
class Plan:
    """Steps in order; when to look again without being woken; what is worth saying."""

    steps: tuple[Step, ...] = ()
    again_at: datetime | None = None
    note: str | None = None
    lost: str | None = None  #: what data is gone and what to do; nothing is started
    comes_back: bool = False  #: where this fails, the previous container takes over again
    refused: str | None = None  #: why what is asked for is not done, until one of the two changes
