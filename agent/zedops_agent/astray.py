"""Finds and ends processes of containers that the Engine has lost track of.

An Engine that is killed between the start of a container and the record of it comes back without
knowing that the container runs. It shows the container as ended, refuses to start it ("id already
in use"), removes it without a word, and lets another container write the same world. The process
itself stays in the container's control group, named by its id (runc, drivers cgroupfs and systemd).

An agent in a container with namespaces of its own sees no such group, and finds nothing.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from zedops.errors import EngineFailed, LookOutdated
from zedops.spec import stop_signals
from zedops.spec.model import Stop

#: Where the kernel shows groups: one tree (v2), or one for each controller (v1).
_TREES = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup/systemd"))
_GROUPS = ("docker/{}", "system.slice/docker-{}.scope")
_SLICE_S = 0.05
#: From SIGKILL until the kernel has taken a process down.
_DEATH_S = 10.0
#: The Engine's words for a container whose process or task it does not know.
_LOST_TRACK = re.compile(r"id already in use|task [0-9a-f]+: already exists")


class LostTrack(EngineFailed):
    """A container may run though the Engine says that it ended: nothing may start beside it."""


def is_lost_track(said: str) -> bool:
    """Say whether an Engine refused a start because of an earlier run that it does not know."""
    return _LOST_TRACK.search(said) is not None


def can_look() -> bool:
    """Say whether control groups of containers can be seen from here."""
    return bool(_trees())


@cache
def _trees() -> tuple[Path, ...]:
    return tuple(each for each in _TREES if any((each / name).is_dir() for name in
                                                ("docker", "system.slice")))


def processes(container: str) -> tuple[int, ...]:
    """List a container's living processes, by its control group; empty: none, or could not look."""
    for tree in _trees():
        for name in _GROUPS:
            group = tree / name.format(container)
            if group.is_dir():
                return _below(group)
    return ()


def _below(group: Path) -> tuple[int, ...]:
    found: list[int] = []
    for folder, _, _ in os.walk(group):
        with suppress(OSError):  # the group is gone since
            found += map(int, Path(folder, "cgroup.procs").read_text().split())
    return tuple(each for each in found if each)


def end(
    container: str, is_up: Callable[[], bool], asked: Callable[[], Stop]
) -> str:
    """End a container's processes that the Engine does not know; returns what happened, in words.

    `is_up` asks the Engine, which delays its answer while it starts a container. So a process that
    is there before and after the answer "it ended" is one that the Engine does not know.
    """
    before = set(processes(container))
    if is_up() or not before.intersection(left := processes(container)):
        raise LookOutdated("its process is known by now, or has ended")
    first = _first(left)
    name = stop_signals.usable(asked().signal)
    _send(container, first, stop_signals.number(name) or signal.SIGTERM)
    begun = time.monotonic()
    while processes(container) and time.monotonic() < begun + asked().grace:
        time.sleep(_SLICE_S)
    if not processes(container):
        return f"the Engine had lost track of a process ({first}); zedops ended it by {name}"
    _kill(container)
    grace = asked().grace
    return (f"the Engine had lost track of a process ({first}); zedops killed it after {grace:g} s:"
            " it may have lost progress")


def _kill(container: str) -> None:
    deadline = time.monotonic() + _DEATH_S
    while left := processes(container):
        for each in left:
            _send(container, each, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LostTrack(f"process {left[0]} does not end, and the Engine does not know it;"
                            " see to its host")
        time.sleep(_SLICE_S)


def _first(processes: tuple[int, ...]) -> int:
    """Find the container's first process: it has the number 1 in there (proc(5), NSpid)."""
    for each in processes:
        with suppress(OSError):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            numbers = next((line.split() for line in lines if line.startswith("NSpid:")), [])
            if len(numbers) > 2 and numbers[-1] == "1":
                return each
    return processes[0]


def _send(container: str, process: int, number: int) -> None:
    """Send a signal to a process of a container, and to no other that has its number by now."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        if process in processes(container):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    except OSError as error:
        raise LostTrack(
            f"the Engine has lost track of process {process}, which may write this world; zedops"
            f" starts nothing beside it, and may not end it ({errno.errorcode[error.errno or 1]});"
            f" end it: kill {process}"
        ) from error
    finally:
        os.close(handle)
