"""Which containers with the fleet's label are this fleet's: another one may have the same name.

Server ids are never the same in two fleets, so what this agent worked on is its own. The label
with the hub's identity tells the rest, where an agent lost its memory. Containers of another fleet
are never renamed, removed or offered as orphans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zedops.wire import DesiredDocument
from zedops_agent import holdings
from zedops_agent.observed import FLEET, HUB, SERVER_ID
from zedops_agent.store import Store


class Ownership:
    """What is one fleet's on this host. `held` gives the document that the agent has."""

    def __init__(
        self, fleet: str, root: Path, store: Store, held: Callable[[], DesiredDocument | None]
    ) -> None:
        self._fleet, self._root, self._store, self._held = fleet, root, store, held

    @property
    def hub(self) -> str:
        """Say which fleet of its name this is; empty while no manager has told."""
        document = self._held()
        return (document.hub if document else None) or ""

    def has(self, labels: Mapping[str, str]) -> bool:
        """Say whether a container with these labels is this fleet's."""
        if labels.get(FLEET) != self._fleet:
            return False
        hub, server_id = labels.get(HUB, ""), labels.get(SERVER_ID, "")
        if hub and hub == self.hub:
            return True
        if not (server_id.isascii() and server_id.isalnum()):  # it becomes part of a path
            return False
        document = self._held()
        if document is not None and server_id in document.servers:
            return True
        return self._store.knows(server_id) or holdings.is_home(self._root, self._fleet, server_id)
