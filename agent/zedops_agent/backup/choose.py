"""Chooses the snapshot that a restore asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from zedops.spec.backup import wanted
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.backup.snapshot import Snapshot


def pick(found: Sequence[Snapshot], token: str, name: str) -> Snapshot:
    """Find the snapshot that a restore asks for. Raises ResticFailed."""
    what = wanted(token)
    remedy = f"`zedops backups {name}` lists them"
    if isinstance(what, datetime):
        past = [each for each in found if each.at <= what]
        if not past:
            raise ResticFailed(f"no snapshot is as old as {what:%Y-%m-%dT%H:%M:%S%z}; {remedy}")
        return past[-1]
    if what == "latest":
        if not found:
            raise ResticFailed(f"the repository has no snapshot of it; {remedy}")
        return found[-1]
    same = [each for each in found if what and each.id.startswith(what)]
    if len(same) != 1:
        raise ResticFailed(f"the repository has no snapshot {what} of it; {remedy}")
    return same[0]
