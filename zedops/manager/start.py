"""Reads the fleet at a start: from what an earlier one kept, and keeps it for the next."""

from __future__ import annotations

import threading

from zedops import remembered
from zedops.errors import GitFailed
from zedops.fleet import Fleet
from zedops.hub import Hub
from zedops.objects import Change

#: With so many files read anew, the next start is to find them read.
_WORTH_KEEPING = 500


def read_first(hub: Hub, head: str) -> tuple[Fleet, list[Change]]:
    """Read the fleet at a commit, and what differs from what was kept."""
    kept = remembered.load(hub.runtime)
    try:
        fleet, changes = hub.read(head, kept)
    except GitFailed:  # that history is not there any more
        fleet, changes = hub.read(head)
    if len(changes) > _WORTH_KEEPING:
        threading.Thread(
            target=remembered.save, args=(hub.runtime, fleet), name="keep", daemon=True
        ).start()
    return fleet, changes
