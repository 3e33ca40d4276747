"""Points between two effects, where tests end the process or make it fail: nothing may need luck.

A point comes after an effect and before the next one, and does nothing unless the environment names
it: `ZEDOPS_FAULT=hub.written` ends the process there with SIGKILL, as a power cut would;
`hub.written:fail-once` raises there what such an effect raises when it goes wrong, the first time,
and `hub.written:fail` each time. The effect has happened then, and whoever asked for it does not
know: of two ways to fail the worse one. `step.Start@rosewood` means the work on one server only.

Several are parted by commas. A value that begins with `/` names a file with one of them a line,
which is read anew at each point; each point that is met is added to the file beside it (`.met`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from zedops.errors import EngineFailed, GitFailed, HostUnavailable

VARIABLE = "ZEDOPS_FAULT"
KILL, ONCE, ALWAYS = "kill", "fail-once", "fail"


class Effect(Enum):
    """What has just happened at a point; says what is raised there."""

    GIT = "git"
    DISK = "disk"
    ENGINE = "engine"
    BUS = "bus"


#: What a push and its way to the hosts pass.
POINTS = {
    "gate.checked": Effect.GIT,  # a push was found good, nothing has moved
    "gate.written": Effect.GIT,  # a merge is in the object store, main has not moved
    "gate.moved": Effect.GIT,  # main has moved, nobody was told
    "door.answered": Effect.BUS,  # a hook has its answer, git has not acted on it
    "git.imported": Effect.GIT,  # a commit is in the object store, under a ref of its own
    "hub.written": Effect.GIT,  # a state commit is in the object store, main has not moved
    "hub.moved": Effect.GIT,  # main and seen have moved, no host was told
    "hub.seen": Effect.GIT,  # what needed no commit is written down as taken in
    "manager.published": Effect.BUS,  # a host has its document
    "manager.told": Effect.BUS,  # a report is in the manager's memory, not in git
    "contact.synced": Effect.BUS,  # a host has asked for its document and not taken it yet
    "contact.reported": Effect.BUS,  # a report was sent, the host has not struck it off
    "store.desired": Effect.DISK,  # a new document is on the host's disk, nothing was done
    "store.memory": Effect.DISK,  # what was seen is on the host's disk
}
#: Points that only a start passes.
START_POINTS = {
    "hub.epoch": Effect.GIT,  # another manager's time is over, this one's has not begun
}
#: A hook has the manager's answer, git does not. In whoever pushes; killed only.
HOOK_POINTS = ("hook.pre-receive", "hook.proc-receive", "hook.post-receive")
#: A host that cannot reach its manager.
AWAY_POINTS = {
    "store.unsent": Effect.DISK,  # reports are kept until the manager is back
}
#: Points within a step that has more than one effect.
WITHIN = {
    "data.made": Effect.DISK,  # a server's directory is there, and says nothing of whose it is
    "data.marked": Effect.DISK,  # a marker is written
    "create.made": Effect.ENGINE,  # the container is there, not in its networks
    "join.left": Effect.ENGINE,  # the container is out of a network that it is to be in again
    "start.handed": Effect.ENGINE,  # its secrets are in memory, it does not run
    "stop.signalled": Effect.ENGINE,  # it was told to end and has not
    "name.cleared": Effect.ENGINE,  # whoever had the name has another one
    "remove.removed": Effect.ENGINE,  # the container is gone, its secrets are in memory still
    "giveup.stopped": Effect.ENGINE,  # what keeps crashing is stopped, nobody knows why
    "restart.stopped": Effect.ENGINE,  # a restart has stopped the container and not started it
    "adopt.marked": Effect.ENGINE,  # the data of an adopted container carries the marker
    "adopt.kept": Effect.ENGINE,  # its secrets are kept on the host
    "purge.begun": Effect.DISK,  # one volume is gone
    "purge.emptied": Effect.DISK,  # all are gone, the marker is there
    "purge.unmarked": Effect.DISK,  # the marker is gone, the empty directory is there
}
#: Points between a hub and its upstream; a fleet without one never comes by.
UPSTREAM_POINTS = {
    "intake.written": Effect.GIT,  # a merge is in the object store, main has not moved
    "intake.moved": Effect.GIT,  # main has moved, the hosts know nothing
    "mirror.looked": Effect.GIT,  # the upstream is known and taken in, nothing was pushed
    "mirror.pushed": Effect.GIT,  # the upstream has main, the hub does not know that
}
#: Points on the way of a host into a fleet of many; a fleet on one machine never comes by.
JOIN_POINTS = {
    "authority.keys": Effect.DISK,  # the keys are made, the certificate authority is not
    "authority.ca": Effect.DISK,  # both are made, the server was told nothing
    "authority.roll": Effect.DISK,  # a host is in or out, the server's files do not say so yet
    "authority.redeemed": Effect.DISK,  # a token is used, nobody was answered
}
#: Every point but the agent's steps, which are named `step.<class>` after each one was done.
ALL = {**POINTS, **START_POINTS, **AWAY_POINTS, **WITHIN, **UPSTREAM_POINTS, **JOIN_POINTS}
STEP = "step."

_work = threading.local()
_failed: set[str] = set()


def point(name: str) -> None:
    """End or fail here if the environment says so."""
    if said := os.environ.get(VARIABLE):
        _meet(name, said)


@contextlib.contextmanager
def work_on(server: str) -> Iterator[None]:
    """Say on which server this thread works: a fault may be meant for one of many."""
    _work.server = server
    try:
        yield
    finally:
        _work.server = ""


def _meet(name: str, said: str) -> None:
    server = getattr(_work, "server", "")
    if said.startswith("/"):
        with Path(f"{said}.met").open("a") as met:
            met.write(f"{name}@{server}\n")
        orders = Path(said).read_text().split()
    else:
        orders = said.split(",")
    for order in orders:
        where, _, mode = order.partition(":")
        if where not in (name, f"{name}@{server}") or order in _failed:
            continue
        if mode in ("", KILL):
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == ONCE:
            _failed.add(order)
        raise _error(name)


def _error(name: str) -> Exception:
    text = f"{name}: a fault that was asked for"
    raised: dict[Effect, Callable[[], Exception]] = {
        Effect.GIT: lambda: GitFailed(text),
        Effect.DISK: lambda: OSError(errno.ENOSPC, text),
        Effect.ENGINE: lambda: EngineFailed(text),
        Effect.BUS: lambda: HostUnavailable(text),
    }
    return raised[Effect.ENGINE if name.startswith(STEP) else ALL[name]]()
