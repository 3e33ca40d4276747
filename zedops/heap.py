"""The memory of a process that stays: one heap, whatever the number of its threads.

glibc gives threads heaps of their own, up to eight for each core, so that they need not wait for
each other, and each keeps what it once needed. Python's threads take turns anyway.
"""

from __future__ import annotations

import ctypes

#: `M_ARENA_MAX` of malloc.h, see mallopt(3).
_MOST_HEAPS = -8


def share() -> None:
    """Let all threads have the same heap: to be said before any begins. glibc only."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MOST_HEAPS, 1)
