"""What a page is told at its start. Loads nothing of what serves pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zedops.queries.output import FindingRow
from zedops.web.tickets import Tickets


@dataclass(frozen=True)
class Setup:
    """What a page is of, and where its own files are."""

    hub: Path
    remote: str  #: where acts are pushed to: the hub, or its upstream
    folder: Path
    url: str | None  #: how browsers reach the page, if a person said so
    tickets: Tickets
    #: Checks a fleet by its hub's path, as `zedops doctor` does.
    checkup: Callable[[Path], list[FindingRow]]
