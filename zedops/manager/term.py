"""Who leads: one manager at a time has the hub.

On one machine a lock on the hub decides, which the kernel takes back when a process dies. A manager
whose lock file was replaced under it has lost the hub, and ends (`locks`). Several
managers hold a lease besides, somewhere that all of them reach; the lock cannot tell them then that
one of them sleeps. Neither is the fence: that is the epoch, which git checks in the transaction of
every commit, and which agents check in every document. So a manager that was paused and goes on
believing that it leads can do nothing.
"""

from __future__ import annotations

from typing import Protocol

from zedops.errors import ZedopsError
from zedops.hub import Hub
from zedops.locks import Lock, holder


class Lease(Protocol):
    """The right to lead among several managers, for as long as it is renewed."""

    @property
    def held(self) -> bool:
        """Say whether it is held now; false at once after a pause that outlasted it."""
        ...


class Deposed(ZedopsError):
    """Another manager leads now."""


class Term:
    """One manager's time with a hub, from its making to `end`."""

    def __init__(self, hub: Hub, lease: Lease | None = None) -> None:
        """Take the hub over; ZedopsError if somebody else has it."""
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
        hub.clear_stale_lock(patience_s=0.0 if lease is None else 5.0)
        #: Newer managers' documents win over older ones'.
        self.epoch = hub.begin_epoch()

    @property
    def goes_on(self) -> bool:
        """Say whether this manager may speak: a paused one stops with its first look here."""
        return self._lease is None or self._lease.held

    def check(self) -> None:
        """Raise Deposed if another manager took over, or could have."""
        if not self._lock.holds():
            who = holder(self._hub.runtime / "lock")
            raise Deposed(f"another manager{who} took {self._hub.path} over")
        if not self.goes_on or not self._hub.is_current_epoch():
            raise Deposed("another manager leads this fleet now")

    def end(self) -> None:
        """Let somebody else have the hub."""
        self._lock.release()
