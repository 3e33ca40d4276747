"""Tells this fleet's containers from those of another fleet with the same name.

No two fleets share a server id, so each server that this agent worked on belongs to its fleet. For
the others, and after a loss of memory, the label with the hub's identity decides. zedops never
renames or removes containers of another fleet, and never lists them as orphans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zedops.protocol.sync import DesiredDocument
from zedops_agent import holdings
from zedops_agent.observed import FLEET, HUB, SERVER_ID
from zedops_agent.store import Store


class Ownership:
    """Knows one fleet's containers on this host. `held` returns the agent's document."""

    def __init__(
        self, fleet: str, root: Path, store: Store, held: Callable[[], DesiredDocument | None]
    ) -> None:
        self._fleet, self._root, self._store, self._held = fleet, root, store, held

    @property
    def hub(self) -> str:
        """Give the identity of this fleet's hub; empty until a manager has sent it."""
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
