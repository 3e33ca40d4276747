"""Decides whether the wall clock may end a retention. Reads no clock: readings are passed in.

A clock leaps after a wrong date set by hand, an NTP correction or a frozen machine. It may be wrong
before the leap or after it, and a manager that just started does not know of earlier leaps. So a
purge waits until the clock has gone steadily for a while. A leap forward does not count as time
that passed; a leap back only makes purges wait longer, which costs nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from zedops.manager.state import Ledger
from zedops.spec.quantities import format_duration

log = logging.getLogger(__name__)

#: Wall and monotonic clock may drift apart by this much between two readings.
TOLERANCE_S = 60.0
#: After a leap the clock must go steadily for this long, or for the retention if that is shorter.
STEADY_S = 600.0


@dataclass
class Clock:
    """Compares each pair of readings with the previous pair."""

    _offset: float | None = None
    _steady_since: float = 0.0

    def leapt_s(self, wall_s: float, monotonic_s: float) -> float:
        """Take a reading; return how far the wall clock leapt since the previous one."""
        before, self._offset = self._offset, wall_s - monotonic_s
        leapt = 0.0 if before is None else self._offset - before
        if before is None or abs(leapt) > TOLERANCE_S:
            self._steady_since = monotonic_s
            return leapt
        return 0.0

    def is_steady(self, monotonic_s: float, retention_s: float) -> bool:
        """Say whether the last leap, or the start, was long enough ago."""
        return monotonic_s - self._steady_since >= min(STEADY_S, retention_s)


def end_retentions(clock: Clock, ledger: Ledger, now: datetime, awake_s: float) -> None:
    """End the retentions that are over, if the clock is steady.

    `awake_s` comes from a clock that is never set.
    """
    if leapt_s := clock.leapt_s(now.timestamp(), awake_s):
        way, far = ("forward", leapt_s) if leapt_s > 0 else ("back", -leapt_s)
        log.warning(
            "the clock leapt %s by %s: no retention ends because of that", way, format_duration(far)
        )
        if leapt_s > 0:
            ledger.put_off(timedelta(seconds=round(leapt_s)))
    if clock.is_steady(awake_s, ledger.settings.retention):
        ledger.sweep(now)
