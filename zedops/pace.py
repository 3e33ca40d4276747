"""When a manager looks at its upstream, and when it pushes there. Pure; times are monotonic.

GitHub recommends at most 6 pushes a minute for one repository: what happens between two pushes goes
out together. Trouble makes looks rarer, up to a ceiling, so that an upstream that is back is not
met by a crowd.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How often, in seconds."""

    #: Between two looks, as long as nothing else asks for one.
    poll_s: float = 30.0
    #: Between two looks at most, after many failures: poll × 2^failures up to this.
    poll_most_s: float = 300.0
    #: Between two pushes at least.
    gap_s: float = 10.0
    #: Main is pushed once it has been quiet for this long, or after `gap_s` at the latest.
    quiet_s: float = 1.0

    def look_at(self, looked: float, failures: int) -> float:
        """Say when to look next, after a look at `looked` and so many failures in a row."""
        longest = max(self.poll_most_s, self.poll_s)
        return looked + min(self.poll_s * 2.0 ** min(failures, 16), longest)

    def push_at(self, began: float, moved: float, pushed: float) -> float:
        """Say when to push what began to differ at `began` and changed last at `moved`."""
        quiet = min(moved + self.quiet_s, began + max(self.gap_s, self.quiet_s))
        return max(quiet, pushed + self.gap_s)
