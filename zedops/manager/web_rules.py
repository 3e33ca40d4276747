"""Tells the web page what the fleet says about it: its settings, people's rights, and passkeys.

They come from main as the manager has it, so a push changes them at once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zedops.errors import ZedopsError
from zedops.fleet import passkeys
from zedops.fleet.access import SSH_KEYS
from zedops.fleet.fleet import Fleet
from zedops.manager.loop import Manager

_MOST_BYTES = 1 << 20


def told(manager: Manager) -> dict[str, Any]:
    """Answer with the rules of the page."""
    settings = manager.as_committed().settings
    keys = passkeys.read(_keys(manager), datetime.now(UTC))
    return {
        "web": settings.web.model_dump(mode="json"),
        "people": {name: each.model_dump(mode="json") for name, each in settings.people.items()},
        "signed": settings.signed,
        "passkeys": [
            [each.email, each.point.hex(), each.place, each.name] for each in keys
        ],
    }


def shared(fleet: Fleet, server: str | None) -> str | None:
    """Find the id of a server to share; None for all of them. ZedopsError for an unknown one."""
    if server is None:
        return None
    found = next((each for each in fleet.servers() if each.name == server), None)
    if found is None or found.id is None:
        raise ZedopsError(f"no server {server!r}; `zedops list` shows them")
    return found.id


def _keys(manager: Manager) -> bytes:
    hub, head = manager.hub, manager.hub.head()
    if head is None:
        return b""
    entry = hub.repository.tree(head, SSH_KEYS).get(SSH_KEYS)
    if entry is None or not entry.is_file:
        return b""
    return hub.repository.objects.blobs([entry.blob], most=_MOST_BYTES)[entry.blob]
