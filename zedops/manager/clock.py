"""Whether the wall clock can be trusted with ending a retention. Has none: readings are passed in.

A clock that leaps (a wrong date set by hand, an NTP correction, a machine that was frozen) may be
as wrong after as before, and nobody who has just begun knows which way it leapt meanwhile. What
cannot be undone waits until it has gone steadily for a while, and no leap forward counts as time
that has passed; going backwards only makes everything wait longer, which costs nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from zedops.manager.ledger import Ledger
from zedops.quantities import format_duration

log = logging.getLogger(__name__)

#: So far may wall and monotonic clock drift apart between two readings.
TOLERANCE_S = 60.0
#: So long must the clock have gone steadily after a leap, or as long as the retention is.
STEADY_S = 600.0


@dataclass
class Clock:
    """Compares each pair of readings with the one before."""

    _offset: float | None = None
    _steady_since: float = 0.0

    def leapt_s(self, wall_s: float, monotonic_s: float) -> float:
        """Take a reading; return by how much the wall clock leapt since the one before."""
        before, self._offset = self._offset, wall_s - monotonic_s
        leapt = 0.0 if before is None else self._offset - before
        if before is None or abs(leapt) > TOLERANCE_S:
            self._steady_since = monotonic_s
            return leapt
        return 0.0

    def is_steady(self, monotonic_s: float, retention_s: float) -> bool:
        """Say whether there was neither a leap nor a start for a while."""
        return monotonic_s - self._steady_since >= min(STEADY_S, retention_s)


def end_retentions(clock: Clock, ledger: Ledger, now: datetime, awake_s: float) -> None:
    """End what has been deleted for long enough, if the clock can be trusted with that.

    `awake_s` is of a clock that nobody sets.
    """
    if leapt_s := clock.leapt_s(now.timestamp(), awake_s):
        way, far = ("forward", leapt_s) if leapt_s > 0 else ("back", -leapt_s)
        log.warning(
            "the clock leapt %s by %s: that ends nobody's retention", way, format_duration(far)
        )
        if leapt_s > 0:
            ledger.put_off(timedelta(seconds=round(leapt_s)))
    if clock.is_steady(awake_s, ledger.settings.retention):
        ledger.sweep(now)
