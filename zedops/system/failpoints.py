"""Fault points: places between two effects where a test kills the process or makes a call fail.

A point comes after one effect and before the next. It does nothing unless the environment names it.
`ZEDOPS_FAULT=hub.written` ends the process there with SIGKILL, as a power cut would.
`hub.written:fail-once` raises the error of such an effect once, `hub.written:fail` each time. By
then the effect has happened and its caller does not know: the worse of two ways to fail.
`step.Start@rosewood` limits a point to the work on one server.

Commas separate several points. A value that begins with `/` names a file with one point a line. The
process reads this file at each point, and adds each point that it passes to `FILE.met`.
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


class FaultEffect(Enum):
    """The kind of effect before a point; it selects the error that the point raises."""

    GIT = "git"
    DISK = "disk"
    ENGINE = "engine"
    BUS = "bus"


#: Points on the way of a push to the hosts.
POINTS = {
    "gate.checked": FaultEffect.GIT,  # a push passed every check, no ref has moved
    "gate.written": FaultEffect.GIT,  # a merge is in the object store, main has not moved
    "gate.moved": FaultEffect.GIT,  # main has moved, the hook has no answer
    "door.answered": FaultEffect.BUS,  # the hook has its answer, git has not acted on it
    "git.imported": FaultEffect.GIT,  # a commit is in the object store, under a ref of its own
    "hub.written": FaultEffect.GIT,  # a state commit is in the object store, main has not moved
    "hub.moved": FaultEffect.GIT,  # main and seen have moved, no host was told
    "hub.seen": FaultEffect.GIT,  # `seen` has moved to a commit that needed no state commit
    "manager.published": FaultEffect.BUS,  # a host has its document
    "manager.told": FaultEffect.BUS,  # a report is in the manager's memory, not in git
    "contact.synced": FaultEffect.BUS,  # the host has its document and has not stored it
    "contact.reported": FaultEffect.BUS,  # a report was sent, the host still keeps it as unsent
    "store.desired": FaultEffect.DISK,  # a new document is on the host's disk, no step was done
    "store.memory": FaultEffect.DISK,  # the agent's memory is on the host's disk
}
#: Points that only a start passes.
START_POINTS = {
    "hub.epoch": FaultEffect.GIT,  # the old manager's epoch is over, the new one's has not begun
}
#: A hook has the manager's answer, git does not. In the hook's own process; killed only.
HOOK_POINTS = ("hook.pre-receive", "hook.proc-receive", "hook.post-receive")
#: A host that cannot reach its manager.
AWAY_POINTS = {
    "store.unsent": FaultEffect.DISK,  # the host keeps its reports until the manager is back
}
#: Points within a step that has more than one effect.
WITHIN = {
    "data.made": FaultEffect.DISK,  # a server's directory exists and has no marker
    "data.marked": FaultEffect.DISK,  # a marker is written
    "volume.made": FaultEffect.ENGINE,  # a named volume is there, not yet compared
    "create.made": FaultEffect.ENGINE,  # the container exists, outside its networks
    "join.left": FaultEffect.ENGINE,  # the container has left a network that it must join again
    "start.handed": FaultEffect.ENGINE,  # its secrets are in memory, the container does not run
    "stop.signalled": FaultEffect.ENGINE,  # the container has its signal and has not ended
    "name.cleared": FaultEffect.ENGINE,  # the container that had the name has another one
    "remove.removed": FaultEffect.ENGINE,  # the container is gone, its secrets are still in memory
    "giveup.stopped": FaultEffect.ENGINE,  # a crashing container is stopped, no report says why
    # a restart has stopped the container and not yet started it
    "restart.stopped": FaultEffect.ENGINE,
    "adopt.marked": FaultEffect.ENGINE,  # the data of an adopted container carries the marker
    "adopt.kept": FaultEffect.ENGINE,  # the host keeps the secrets of an adopted container
    "backup.keyed": FaultEffect.DISK,  # the host's repository has its password, and is not made
    "backup.repository": FaultEffect.DISK,  # the repository exists, the host has not noted its id
    "backup.noted": FaultEffect.DISK,  # the record of a server's backups is on the host's disk
    "backup.held": FaultEffect.ENGINE,  # the commands that hold writes are noted, and did not run
    "backup.made": FaultEffect.ENGINE,  # the snapshot is in the repository, the host has no note
    "backup.released": FaultEffect.ENGINE,  # the server writes again, the host has no note
    "backup.ended": FaultEffect.ENGINE,  # a backup is over, old snapshots are still there
    "restore.chosen": FaultEffect.ENGINE,  # the snapshot is chosen, nothing is restored
    "restore.fetched": FaultEffect.ENGINE,  # the world is beside the present one, not marked
    "restore.aside": FaultEffect.ENGINE,  # the former world is aside, no world is in its place
    "restore.placed": FaultEffect.ENGINE,  # the restored world is in its place, without a note
    "restore.turned": FaultEffect.ENGINE,  # a failed restore is noted, both worlds are as before
    "restore.removed": FaultEffect.ENGINE,  # the restored world is gone, the former one still aside
    "restore.returned": FaultEffect.ENGINE,  # the former world is back, without a note
    "restore.swept": FaultEffect.ENGINE,  # a former world is removed, without a note
    "proof.begun": FaultEffect.ENGINE,  # a proof has its empty directory
    "proof.fetched": FaultEffect.ENGINE,  # the copy is complete, it has no container
    "proof.created": FaultEffect.ENGINE,  # the container of a proof exists and does not run
    "proof.started": FaultEffect.ENGINE,  # it runs, the agent does not know how it goes
    "proof.judged": FaultEffect.ENGINE,  # the result is known, the container and the copy stay
    "proof.cleared": FaultEffect.ENGINE,  # both are gone, the host has no note of the result
    "purge.volume": FaultEffect.ENGINE,  # the entry of a named volume is gone
    "move.keyed": FaultEffect.DISK,  # the repository of a move has its password, and is not made
    "move.given": FaultEffect.ENGINE,  # a snapshot of a move is made, the old host has no note
    "move.dropped": FaultEffect.ENGINE,  # the last snapshot is void, the server does not run yet
    "move.begun": FaultEffect.ENGINE,  # the new host has noted a move, and fetched nothing
    "move.received": FaultEffect.ENGINE,  # a piece of a file is on the new host, without an answer
    "move.fetched": FaultEffect.ENGINE,  # a world is beside on the new host, without a note
    "move.placed": FaultEffect.ENGINE,  # it is in its place there, without a note
    "move.ended": FaultEffect.ENGINE,  # the new host has noted how the move ended
    "move.carried": FaultEffect.BUS,  # the new host has a piece, the manager goes on to the next
    "purge.begun": FaultEffect.DISK,  # one volume is gone
    "purge.emptied": FaultEffect.DISK,  # all volumes are gone, the marker is there
    "purge.unmarked": FaultEffect.DISK,  # the marker is gone, the empty directory is there
}
#: Points between a hub and its upstream; a fleet without an upstream never passes them.
UPSTREAM_POINTS = {
    "intake.written": FaultEffect.GIT,  # a merge is in the object store, main has not moved
    "intake.moved": FaultEffect.GIT,  # main has moved, no host was told
    "mirror.looked": FaultEffect.GIT,  # main contains the upstream, the hub has not pushed
    "mirror.pushed": FaultEffect.GIT,  # the upstream has main, the hub has not recorded that
}
#: Points while a host joins a fleet; a fleet on one machine never passes them.
JOIN_POINTS = {
    "authority.keys": FaultEffect.DISK,  # the keys exist, the certificate authority does not
    "authority.ca": FaultEffect.DISK,  # both exist, the NATS server does not know them
    "authority.roll": FaultEffect.DISK,  # a host was added or removed, the server's files are older
    "authority.redeemed": FaultEffect.DISK,  # a token is used up, the host has no answer
}
#: Every point except the agent's steps: after each step comes a point `step.<class>`.
ALL = {**POINTS, **START_POINTS, **AWAY_POINTS, **WITHIN, **UPSTREAM_POINTS, **JOIN_POINTS}
STEP = "step."

_work = threading.local()
_failed: set[str] = set()


def point(name: str) -> None:
    """End the process or raise here if the environment names this point."""
    if said := os.environ.get(VARIABLE):
        _meet(name, said)


@contextlib.contextmanager
def work_on(server: str) -> Iterator[None]:
    """Set the server that this thread works on: a fault may name one server."""
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
    raised: dict[FaultEffect, Callable[[], Exception]] = {
        FaultEffect.GIT: lambda: GitFailed(text),
        FaultEffect.DISK: lambda: OSError(errno.ENOSPC, text),
        FaultEffect.ENGINE: lambda: EngineFailed(text),
        FaultEffect.BUS: lambda: HostUnavailable(text),
    }
    return raised[FaultEffect.ENGINE if name.startswith(STEP) else ALL[name]]()
