"""The things that backups and restores share: repositories, the data root, a server's record."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from zedops.errors import DataAtRisk, LookOutdated
from zedops.protocol.sync import DesiredServer
from zedops.spec.state_block import brief
from zedops.spec.volume import VolumeKind
from zedops_agent.backup import due, record_file
from zedops_agent.backup.record import Record, Trouble
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic import Restic
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.observed import Observed
from zedops_agent.observer import Observer


@dataclass
class Ground:
    """What the work on worlds stands on, for one fleet on this host."""

    root: Path
    fleet: str
    host: str
    engine: Engine
    lookout: Observer
    repositories: Repositories
    desired: Desired
    #: True: end each restic, because zedops ends or the host is drained.
    is_ending: bool = False
    #: A proof and the server's own work write one record.
    writing: threading.Lock = field(default_factory=threading.Lock)

    def home(self, want: DesiredServer) -> Path:
        """Give the directory of a server's volumes."""
        return self.lookout.places.home(want.id)

    def record(self, want: DesiredServer) -> Record:
        """Read a server's record. Raises PersistFailed."""
        return record_file.load(self.home(want), self._copy(want))

    def change(self, want: DesiredServer, **facts: object) -> None:
        """Change a server's record. Raises PersistFailed."""
        home = self.home(want)
        with self.writing:
            home.mkdir(mode=0o700, exist_ok=True)
            record_file.save(home, self._copy(want), self.record(want).model_copy(update=facts))

    def change_begun(self, want: DesiredServer, **facts: object) -> None:
        """Change the record of a backup that has begun."""
        begun = self.record(want).begun
        if begun is None:
            raise LookOutdated("no backup has begun")
        self.change(want, begun=begun.model_copy(update=facts))

    def _copy(self, want: DesiredServer) -> Path:
        return record_file.copy_path(self.root, self.fleet, want.id)

    def open(self, want: DesiredServer) -> Restic:
        """Open the repository of a server. Raises ResticFailed."""
        name = due.settings(want).repository
        return self.repositories.open(name, want.repository, lambda: self.ends(want))

    def ends(self, want: DesiredServer) -> str | None:
        """Say why restic has to end: zedops ends, or something else is asked of the server."""
        if self.is_ending or self.desired.draining:
            return "zedops ends"
        now = self.desired.newest(want.id)
        if now is None or due.wish(now) != due.wish(want):
            return "something else is asked of the server by now"
        return None

    def check_data(self, want: DesiredServer, seen: Observed) -> None:
        """Check that there is a world to back up, in its place. Raises DataAtRisk."""
        if seen.data_exists is None:
            raise DataAtRisk(_away(seen) or "its data cannot be looked at; see to its disk")
        if not seen.data_exists:
            raise DataAtRisk("it has no data yet, so there is nothing to back up")
        self.lookout.require_data(want, seen)
        if said := _away(Observed(volumes=self.lookout.places.look(want))):
            raise DataAtRisk(said)

    def places(self, want: DesiredServer) -> dict[str, str]:
        """Say where the directory of each data volume is, links resolved."""
        resolved = self.lookout.places.resolved(want)
        return {key: resolved[key] for key, each in want.definition.volumes.items()
                if each.kind is VolumeKind.DATA}


def _away(seen: Observed) -> str | None:
    """Name a volume that no container has mounted: a copy of it would be empty."""
    key = next((each.key for each in seen.volumes if each.unmounted), None)
    if key is None:
        return None
    fact = f"volume {key!r} is mounted only while the server runs"
    return f"{fact}; write `backup: {{quiesce: none}}`, or commands, and let it run"


def trouble_of(before: Trouble | None, text: str, token: str) -> Trouble:
    """Note a failure, and count it."""
    attempts = before.attempts + 1 if before else 1
    return Trouble(text=brief(text), at=datetime.now(UTC), token=token, attempts=attempts)
