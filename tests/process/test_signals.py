"""How zedops is ended: whichever of its threads the signal reaches."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys, threading
from zedops.cli.commands.up import ending

def told():
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        threading.Event().wait(0.01)
    threading.Event().wait(0.2)  # by then the main thread waits
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))

threading.Thread(target=told, daemon=True).start()
ending().wait_for_signal()
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_another_thread_gets_ends_it_as_well(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number))], capture_output=True, text=True,
        timeout=30, check=True,
    )
    assert done.stdout.splitlines()[-1] == "ended"
