"""The signals that a container may be stopped with, by the names that the Engine takes. Pure.

Source: moby/sys/signal, `SignalMap` for Linux, and signal(7). The Engine refuses any other name; a
container without a signal loses unsaved data to the kill that follows.
"""

from __future__ import annotations

import re

#: The default stop signal.
DEFAULT = "SIGTERM"
_NUMBERS = {
    "SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGIOT": 6,
    "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGUSR1": 10, "SIGSEGV": 11, "SIGUSR2": 12,
    "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15, "SIGSTKFLT": 16, "SIGCHLD": 17, "SIGCLD": 17,
    "SIGCONT": 18, "SIGSTOP": 19, "SIGTSTP": 20, "SIGTTIN": 21, "SIGTTOU": 22, "SIGURG": 23,
    "SIGXCPU": 24, "SIGXFSZ": 25, "SIGVTALRM": 26, "SIGPROF": 27, "SIGWINCH": 28, "SIGIO": 29,
    "SIGPOLL": 29, "SIGPWR": 30, "SIGSYS": 31, "SIGRTMIN": 34, "SIGRTMAX": 64,
}
_REAL_TIME = re.compile(r"SIG(?:RTMIN\+(\d{1,2})|RTMAX-(\d{1,2}))")
#: Signals that pause a process; none of them can end it.
_HALTS = frozenset({"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"})


def number(name: str) -> int | None:
    """Give a signal's number; None for a name that the Engine does not know."""
    if (found := _REAL_TIME.fullmatch(name)) is None:
        return _NUMBERS.get(name)
    up, down = found.groups()
    offset = int(up or down)
    if not 1 <= offset <= (15 if up else 14):
        return None
    return 34 + offset if up else 64 - offset


def stops(name: str) -> bool:
    """Say whether a signal of this name can stop a container."""
    return number(name) is not None and name not in _HALTS


def usable(name: str) -> str:
    """Give the signal to send: the one asked for, or SIGTERM where that one stops nothing."""
    return name if stops(name) else DEFAULT
