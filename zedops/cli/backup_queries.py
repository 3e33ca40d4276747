"""Asks the hosts of a fleet for the snapshots in their repositories."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from zedops.clone.clone import Clone
from zedops.control.hosts import asking
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.queries.backups import Listed, snapshots
from zedops.spec.backup import wanted


def list_snapshots(clone: Clone, fleet: Fleet) -> Listed:
    """List the snapshots of every repository, the oldest first."""
    return snapshots(fleet, asking(clone))


def read_target(said: str, option: str) -> str:
    """Read a snapshot's id or a time; a time without a zone is of this machine's. UsageError."""
    what = said
    with suppress(ValueError):
        at = datetime.fromisoformat(said)
        what = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if wanted(what) is None:
        fact = "neither a snapshot's id nor a time such as 2026-11-30T20:00"
        raise UsageError(f"{option} {said}: {fact}")
    return what
