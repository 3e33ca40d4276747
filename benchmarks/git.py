"""git as a benchmark has it: settings of its own, when main moves, what a push's trace says."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

#: The longest that anything here may take.
DEADLINE_S = 300.0


def isolate(folder: Path) -> None:
    """Let no setting of the person who measures have a part in it."""
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        del os.environ[key]
    config = folder / "gitconfig"
    config.write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
    os.environ["GIT_CONFIG_GLOBAL"] = str(config)


def wait_for(look: Callable[[], object], what: str) -> None:
    """Look every millisecond until there is something to see."""
    deadline = time.monotonic() + DEADLINE_S
    while not look():
        if time.monotonic() > deadline:
            sys.exit(f"waited {DEADLINE_S:.0f} s in vain: {what}")
        time.sleep(0.001)


def wait_moved(ref: Path, before: str) -> float:
    """Wait until a ref's file says something else; returns when that was seen (`time.time`)."""
    wait_for(lambda: ref.read_text() != before, "main moves")
    return time.time()


def wait_still(ref: Path, seconds: float) -> str:
    """Wait until a ref has stood still for so long: nothing is on its way. Returns the commit."""
    since, held = time.monotonic(), ref.read_text()
    while time.monotonic() - since < seconds:
        if (now := ref.read_text()) != held:
            since, held = time.monotonic(), now
        time.sleep(0.005)
    return held.strip()


class Watch(threading.Thread):
    """Sees when a ref's file says something else, to the millisecond.

    What counts is the last moment at which it had not moved: seen late, on a busy machine, a move
    would seem to come after what it led to.
    """

    def __init__(self, ref: Path, before: str) -> None:
        super().__init__(daemon=True)
        self._ref, self._before, self._stood_at = ref, before, time.monotonic()
        self.start()

    def run(self) -> None:
        """Look."""
        wait_for(self._has_moved, "main moves")

    def _has_moved(self) -> bool:
        looked_at = time.monotonic()
        if self._ref.read_text().strip() != self._before:
            return True
        self._stood_at = looked_at
        return False

    def moved(self) -> float:
        """Wait until it has moved; returns when it was last seen not to have (`time.monotonic`)."""
        self.join()
        return self._stood_at


def hook_s(trace: Path, name: str) -> float:
    """Read from git's own trace of a push how long a hook took."""
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    begun = next(each for each in events
                 if each["event"] == "child_start" and name in each["argv"][0])
    ended = next(each for each in events if each["event"] == "child_exit"
                 and (each["sid"], each["child_id"]) == (begun["sid"], begun["child_id"]))
    return float(ended["t_rel"])
