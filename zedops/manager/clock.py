"""Whether the wall clock can be trusted with ending a retention. Pure: readings are passed in.

A clock that leaps (a host that slept, a wrong date set by hand, an NTP correction) may be as wrong
after as before. What cannot be undone waits until it has gone steadily for a while; going
backwards only makes everything wait longer, which costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

#: So far may wall and monotonic clock drift apart between two readings.
TOLERANCE_S = 60.0
#: So long must the clock have gone steadily after a leap.
STEADY_S = 600.0


@dataclass
class Clock:
    """Compares each pair of readings with the one before."""

    _offset: float | None = None
    _leapt_at: float | None = None

    def is_steady(self, wall_s: float, monotonic_s: float) -> bool:
        """Take a reading; say whether there was no leap for a while."""
        offset = wall_s - monotonic_s
        if self._offset is not None and abs(offset - self._offset) > TOLERANCE_S:
            self._leapt_at = monotonic_s
        self._offset = offset
        return self._leapt_at is None or monotonic_s - self._leapt_at >= STEADY_S
