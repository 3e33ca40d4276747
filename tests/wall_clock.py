"""A wall clock of a process's own, to be put forward and back while it runs. For tests.

Only the time of day leaps (see `wall_clock.c`), as on a host whose date is set; the real one is
everybody's, and a time namespace has other clocks only. libfaketime bends waits, too.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def missing() -> str | None:
    """Say what keeps a clock from being made here; None if nothing does."""
    return None if shutil.which("cc") else "C compiler (cc)"


def is_waited_by() -> bool:
    """Say whether this Python waits by the wall clock: then it waits for days after a leap."""
    return not sysconfig.get_config_var("HAVE_SEM_CLOCKWAIT")


class WallClock:
    """What processes that wear it take for the time of day."""

    def __init__(self, folder: Path) -> None:
        self._library, self._file = folder / "wall_clock.so", folder / "wall_clock"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(
            ["cc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", self._library, source], check=True
        )
        self.ahead = timedelta()
        self._file.write_bytes(struct.pack("q", 0))

    @contextlib.contextmanager
    def worn(self) -> Iterator[None]:
        """Let processes that are started meanwhile, and those they start, go by it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(self._library))
            patch.setenv("WALL_CLOCK", str(self._file))
            yield

    def put(self, ahead: timedelta) -> None:
        """Put it so far ahead of the real one, or behind it, to the second."""
        seconds = round(ahead.total_seconds())
        self.ahead = timedelta(seconds=seconds)  # what it shows, not what was asked for
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    def now(self) -> datetime:
        """Read it, to the second."""
        return (datetime.now(UTC) + self.ahead).replace(microsecond=0)
