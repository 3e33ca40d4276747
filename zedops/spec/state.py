"""The state of a server, as zedops writes it below a definition, and its statuses.

Its text is the task of `state_block`, its changes are that of `fleet.lifecycle`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from zedops.spec.backup import checked_last
from zedops.spec.fields import (
    CommitId,
    ContainerId,
    HostSeen,
    ImageSeen,
    Model,
    ServerId,
    Utc,
    YesOrNo,
    one_of,
)


class Status(StrEnum):
    """The stage of a server's life."""

    PENDING = "pending"  #: in git, not yet begun on its host
    CREATING = "creating"  #: image, directories, container being made
    RUNNING = "running"  #: its container runs
    STOPPED = "stopped"  #: its container exists and does not run
    MISSING = "missing"  #: its container or its data is gone
    FAILED = "failed"  #: the last attempt failed; the message gives the reason
    DELETING = "deleting"  #: its container is being stopped and removed
    DELETED = "deleted"  #: its container is gone, its data is kept until purged
    UNKNOWN = "unknown"  #: its host does not answer; the last facts remain


class State(Model):
    """The state that zedops writes below a definition. Times are UTC.

    Each field has a strict shape, because its value becomes part of commands.
    """

    id: ServerId
    status: Annotated[Status, one_of(Status)] = Status.PENDING
    data_exists: YesOrNo = False
    #: The data existed and is gone: zedops starts nothing until it is back or purged.
    data_lost: YesOrNo = False
    deleted_at: Utc | None = None
    host: HostSeen | None = None
    container: ContainerId | None = None
    image: ImageSeen | None = None
    commit: CommitId | None = None
    since: Utc | None = None
    message: str | None = None
    #: Of a tombstone, by the settings at its making: its earliest end, and whether the data goes
    #: then. Later settings cannot shorten it.
    kept_until: Utc | None = None
    purge_data: YesOrNo = False
    #: The last good backup (`backup.LastBackup`).
    backup: Annotated[str, AfterValidator(checked_last)] | None = None

    @property
    def has_world(self) -> bool:
        """Say whether the server has data, present or lost."""
        return self.data_exists or self.data_lost
