"""Questions about backups to a host, and its answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from zedops.protocol.message import Message
from zedops.spec.backup import OWN, Repository
from zedops.spec.fields import Key, ServerId


class BackupsRequest(Message):
    """Ask for the snapshots in a repository, of one server or of all."""

    kind: Literal["backups"] = "backups"
    name: Key = OWN
    repository: Repository | None = None  #: None: the host's own
    server_id: ServerId | None = None


class SnapshotFacts(Message):
    """One snapshot of a server's world."""

    id: str
    at: datetime
    server_id: str
    server_name: str
    reason: str  #: asked, schedule, update, purge, restore
    size_bytes: int | None = None  #: None: the repository does not say
    files: int | None = None


class BackupsReply(Message):
    """The snapshots in a repository, the oldest first."""

    kind: Literal["backups"] = "backups"
    address: str
    #: The file with the password of the host's own repository: it has to be saved elsewhere, too.
    password_path: Annotated[str | None, Field(max_length=4096)] = None
    snapshots: tuple[SnapshotFacts, ...] = ()
