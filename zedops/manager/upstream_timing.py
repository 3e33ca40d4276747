"""When a manager polls its upstream, and when it pushes there. Pure; times are monotonic.

GitHub recommends at most 6 pushes a minute for one repository: commits made between two pushes go
out together. After failures the manager polls less often, up to a ceiling, so that not all managers
contact an upstream at once when it is back.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UpstreamTiming:
    """Intervals between polls and between pushes, in seconds."""

    #: Between two polls, unless an event asks for one earlier.
    poll_s: float = 30.0
    #: The longest time between two polls after failures: poll × 2^failures, up to this.
    poll_most_s: float = 300.0
    #: The shortest time between two pushes.
    gap_s: float = 10.0
    #: The manager pushes main after this long without a new commit, or `gap_s` at the latest.
    quiet_s: float = 1.0

    def look_at(self, looked: float, failures: int) -> float:
        """Say when to poll next, after a poll at `looked` and this many failures in a row."""
        longest = max(self.poll_most_s, self.poll_s)
        return looked + min(self.poll_s * 2.0 ** min(failures, 16), longest)

    def push_at(self, began: float, moved: float, pushed: float) -> float:
        """Say when to push commits: the first came at `began`, the last at `moved`."""
        quiet = min(moved + self.quiet_s, began + max(self.gap_s, self.quiet_s))
        return max(quiet, pushed + self.gap_s)
