"""A process that does nothing for a while, as on a machine that swaps."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

#: A thread that waits for a disk stops when it has what it waits for.
DEADLINE_S = 10.0


def freeze(pid: int) -> None:
    """Stop a process and wait for it: a thread that runs may answer once more after the signal."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + DEADLINE_S
    while not all(_is_stopped(each) for each in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.005)


def _is_stopped(task: Path) -> bool:
    try:
        said = (task / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended
    return said.rpartition(")")[2].split()[0] in "TXZ"
