"""The agent's record of a server's backups and restores: facts that no later look can see. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from zedops.protocol.message import Message
from zedops.spec.backup import LastBackup
from zedops_agent.backup.move_record import Giving, Taking

#: Snapshots whose sizes a record keeps.
_SIZES = 200


class Reason(StrEnum):
    """Why a backup is made."""

    ASKED = "asked"
    SCHEDULE = "schedule"
    UPDATE = "update"  #: before another image
    PURGE = "purge"  #: before a purge of the data
    RESTORE = "restore"  #: before another world takes its place


class Begun(Message):
    """A backup that has begun, and has not ended."""

    token: str  #: names this backup in the repository, so that it is made once
    reason: Reason
    at: datetime
    wish: str  #: what was asked of the server then
    was_up: bool
    container: str | None = None  #: the one that was up
    parent: str | None = None
    #: The container in which the commands before the backup ran.
    held: str | None = None
    #: It has its snapshot, or failed, or was given up: only the server has to go on.
    over: bool = False


class Trouble(Message):
    """The last failure of a backup or restore."""

    text: str
    at: datetime
    token: str
    attempts: int = 1


class Restoring(Message):
    """A restore that has begun, and has not ended."""

    token: str
    snapshot: str
    at: datetime
    was_up: bool
    places: dict[str, str] = Field(default={})  #: volume → its path in the snapshot
    stage: str = "fetch"  #: fetch, swap, watch, back, over
    aside: str = ""  #: the directory of the former world, in the server's home
    container: str | None = None  #: the process before: a later one proves the restore
    failure: str | None = None


class Aside(Message):
    """A former world, kept in the server's home until its time is over."""

    name: str
    until: datetime
    why: str = ""


class Proof(Message):
    """The last snapshot that really started, and when."""

    at: datetime
    snapshot: str


class Record(Message):
    """Everything that the agent must remember about one server's backups."""

    answered: str | None = None  #: the last `world.backup` that was answered
    restored: tuple[str, ...] = ()  #: the last `world.restore` that were answered
    begun: Begun | None = None
    restoring: Restoring | None = None
    last: LastBackup | None = None
    tried_at: datetime | None = None  #: the last try of the schedule
    trouble: Trouble | None = None  #: since the last good backup
    restore_trouble: Trouble | None = None
    measure: LastBackup | None = None  #: the last one that did not shrink
    shrunk: str | None = None  #: why the last snapshot looks too small; it stops the pruning
    before: str | None = None  #: the update or purge for which a snapshot was made
    asides: tuple[Aside, ...] = ()
    #: Bytes and files by snapshot, the newest last: restic tells them from 0.17 on only.
    sizes: dict[str, tuple[int, int]] = Field(default={})
    proved: str | None = None  #: the last `world.prove` that was answered
    proof: Proof | None = None
    proof_tried_at: datetime | None = None
    proof_trouble: Trouble | None = None  #: since the last good proof
    giving: Giving | None = None
    taking: Taking | None = None

    def with_size(self, last: LastBackup) -> dict[str, tuple[int, int]]:
        """Add the size of a backup to those of the newest ones."""
        found = {**self.sizes, last.snapshot: (last.size_bytes, last.files)}
        return dict(list(found.items())[-_SIZES:])

    @property
    def told(self) -> LastBackup | None:
        """Return the last backup, with the last proof."""
        if self.last is None or self.proof is None:
            return self.last
        facts = {"proven_at": self.proof.at, "proven": self.proof.snapshot}
        return self.last.model_copy(update=facts)
