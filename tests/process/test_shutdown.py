"""A signal that comes while somebody begins to wait is heard; with an Event it was a deadlock."""

from __future__ import annotations

import subprocess
import sys
import threading

from zedops.system.shutdown import Ending

#: Signals at every moment of a wait, two thousand times.
_STORM = """\
import signal
from zedops.system.shutdown import Ending
for at in range(2000):
    end = Ending()
    signal.signal(signal.SIGALRM, lambda *_: end.set())
    signal.setitimer(signal.ITIMER_REAL, 0.00002 + at % 50 * 0.000002)
    while not end.wait(0):
        pass
print("heard")
"""


def test_a_signal_is_heard_whenever_it_comes() -> None:
    done = subprocess.run([sys.executable, "-c", _STORM], capture_output=True, text=True,
                          check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("heard\n", "")


def test_everybody_who_waits_is_told_and_whoever_comes_later() -> None:
    end, told = Ending(), list[bool]()
    waiting = [threading.Thread(target=lambda: told.append(end.wait(60))) for _ in range(3)]
    for each in waiting:
        each.start()
    assert not end.wait(0)
    end.set()
    for each in waiting:
        each.join()
    assert told == [True] * 3
    assert end.is_set()
    assert end.wait()
