"""A process that stays has one heap: each more would keep what some thread once needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Eight threads with a large text each, at the same time; then what malloc says of its heaps.
_THREADS = """\
import ctypes, sys, threading
from zedops import heap
if sys.argv[1:]:
    heap.share()
libc = ctypes.CDLL(None)
all_have = threading.Barrier(9)
def need():
    libc.malloc.restype = ctypes.c_void_p
    kept = libc.malloc(5000)
    all_have.wait()
for _ in range(8):
    threading.Thread(target=need).start()
all_have.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


def _heaps(*arguments: str) -> int:
    done = subprocess.run([sys.executable, "-c", _THREADS, *arguments], capture_output=True,
                          text=True, check=True, timeout=60)
    return done.stdout.count("<heap ")


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="needs glibc")
def test_threads_share_one_heap_when_they_are_to() -> None:
    assert _heaps() > 1
    assert _heaps("share") == 1
