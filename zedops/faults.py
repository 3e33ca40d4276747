"""Points between two effects at which tests kill the process, to show that nothing depends on luck.

A point does nothing unless the environment names it: `ZEDOPS_FAULT=hub.written` ends the process
there with SIGKILL, as a power cut would.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "ZEDOPS_FAULT"
#: Every point but the agent's steps, which are named `step.<class>` after each one was done.
POINTS = (
    "gate.checked",  # a push was found good, nothing has moved
    "gate.written",  # a merge is in the object store, main has not moved
    "gate.moved",  # main has moved, nobody was told
    "hub.written",  # a state commit is in the object store, main has not moved
    "hub.moved",  # main and seen have moved, no host was told
    "manager.published",  # hosts have their documents
    "store.desired",  # a new document is on the host's disk, nothing was done
    "store.memory",  # what was seen is on the host's disk
)
#: Points between a hub and its upstream; a fleet without one never comes by.
UPSTREAM_POINTS = (
    "intake.written",  # a merge is in the object store, main has not moved
    "intake.moved",  # main has moved, the hosts know nothing
    "mirror.looked",  # the upstream is known and taken in, nothing was pushed
    "mirror.pushed",  # the upstream has main, the hub does not know that
)
#: Points on the way of a host into a fleet of many; a fleet on one machine never comes by.
JOIN_POINTS = (
    "authority.keys",  # the keys are made, the certificate authority is not
    "authority.ca",  # both are made, the server was told nothing
    "authority.roll",  # a host is in or out, the server's files do not say so yet
    "authority.redeemed",  # a token is used, nobody was answered
)
#: Points within a step that has more than one effect.
WITHIN = (
    "adopt.marked",  # the data of an adopted container carries the marker, nothing else says so
    "restart.stopped",  # a restart has stopped the container and not started it again
)


def point(name: str) -> None:
    """End here if the environment says so."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
