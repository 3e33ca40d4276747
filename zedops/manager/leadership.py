"""Leadership: one manager at a time has the hub.

On one machine a lock on the hub decides; the kernel releases it when a process dies. A manager
whose lock file was replaced has lost the hub, and ends (`locks`). Several managers also hold a
lease in a place that all of them reach, since the lock cannot show that one of them sleeps.

Neither is the fence. The fence is the epoch: git checks it in the transaction of every commit, and
agents check it in every document. So a paused manager that still believes that it leads can change
nothing.
"""

from __future__ import annotations

from typing import Protocol

from zedops.errors import ZedopsError
from zedops.hub.hub import Hub
from zedops.system.locks import Lock, holder


class Lease(Protocol):
    """The right to lead among several managers, while it is renewed."""

    @property
    def held(self) -> bool:
        """Say whether this manager holds it; False at once after a pause that outlasted it."""
        ...


class LeadershipLost(ZedopsError):
    """Another manager leads now."""


class Term:
    """One manager's leadership of a hub, from construction to `end`."""

    def __init__(self, hub: Hub, lease: Lease | None = None) -> None:
        """Take the hub over; ZedopsError if another manager has it."""
        self._hub, self._lease = hub, lease
        hub.runtime.mkdir(mode=0o700, exist_ok=True)
        try:
            self._lock = Lock(hub.runtime / "lock", shared=lease is not None)
        except BlockingIOError as error:
            remedy = "stop it first, or give both the same --nats"
            who = holder(hub.runtime / "lock")
            raise ZedopsError(f"another manager works on {hub.path}{who}; {remedy}") from error
        except OSError as error:
            fact = f"cannot use {hub.runtime / 'lock'}: {error.strerror}"
            raise ZedopsError(f"{fact}; run zedops as the user who owns the hub") from error
        hub.equip()
        hub.refs.clear_stale_lock(patience_s=0.0 if lease is None else 5.0)
        #: Newer managers' documents win over older ones'.
        self.epoch = hub.refs.begin_epoch()

    @property
    def goes_on(self) -> bool:
        """Say whether this manager may speak; after a long pause it may not."""
        return self._lease is None or self._lease.held

    def check(self) -> None:
        """Raise Deposed if another manager took over, or may have."""
        if not self._lock.holds():
            who = holder(self._hub.runtime / "lock")
            raise LeadershipLost(f"another manager{who} took {self._hub.path} over")
        if not self.goes_on or not self._hub.refs.is_current_epoch():
            raise LeadershipLost("another manager leads this fleet now")

    def end(self) -> None:
        """Release the hub for another manager."""
        self._lock.release()
