"""Decides which snapshots of one server stay. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from zedops.spec.backup import Keep
from zedops_agent.backup.snapshot import Snapshot


def surplus(
    snapshots: Sequence[Snapshot], keep: Keep, needed: Collection[str] = ()
) -> list[Snapshot]:
    """List the snapshots past their time, the oldest first.

    Stay: the last ones, the newest one of each day, week and month, and those `needed`, by the
    beginning of their ids.
    """
    newest = sorted(snapshots, key=lambda each: each.at, reverse=True)
    kept = {each.id for each in newest[: keep.last]}
    kept |= {each.id for each in newest if any(each.id.startswith(one) for one in needed)}
    periods: list[tuple[int, Callable[[datetime], object]]] = [
        (keep.daily, lambda at: at.date()),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    ]
    for count, period in periods:
        seen: list[object] = []
        for each in newest:
            if (found := period(each.at)) not in seen and len(seen) < count:
                seen.append(found)
                kept.add(each.id)
    return [each for each in reversed(newest) if each.id not in kept]
