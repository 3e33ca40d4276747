"""Gives a world away: makes the snapshots of a move on the old host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from zedops.errors import DataAtRisk, LookOutdated
from zedops.protocol.moves import MoveOrder, WorldSnapshot
from zedops.protocol.sync import DesiredServer
from zedops.spec.state_block import brief
from zedops.system import failpoints, files
from zedops_agent import holdings
from zedops_agent.backup import manifest, swap
from zedops_agent.backup.ground import Ground
from zedops_agent.backup.move_files import MoveFiles
from zedops_agent.backup.move_record import Giving
from zedops_agent.backup.move_rules import gives
from zedops_agent.backup.restic import Made, Restic, escaped
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.markers import OURS
from zedops_agent.observed import Observed
from zedops_agent.steps import GiveWorld

#: A running server may remove a file that restic is about to read: the first snapshot is tried
#: again.
_TRIES = 3


class WorldGiver:
    """Makes the snapshots of moves, on the host that a server leaves."""

    def __init__(self, ground: Ground, move_files: MoveFiles) -> None:
        self._ground, self._files = ground, move_files

    def give(
        self, step: GiveWorld, want: DesiredServer, seen: Observed, progress: Callable[[str], None]
    ) -> None:
        """Make the snapshot of the running server, or the one after its stop."""
        order = gives(want)
        if order is None or order.last is not step.last:
            raise LookOutdated("the move is asked for no more")
        self._ground.check_data(want, seen)
        known = self._known(want, order)
        size, count = tally(want.id, self._ground.places(want))
        opened = self._open(want, order, size)
        parent = known.base.snapshot if known.base else None
        progress(f"the world goes to {order.peer}")
        made = self._make(opened, want, parent, progress, tries=1 if step.last else _TRIES)
        failpoints.point("move.given")
        found = WorldSnapshot(snapshot=made.snapshot, size_bytes=size, files=count)
        update = {"last": found} if step.last else {"base": found, "last": None}
        self._ground.change(want, giving=known.model_copy(update=update))

    def _known(self, want: DesiredServer, order: MoveOrder) -> Giving:
        known = self._ground.record(want).giving
        return known if known and known.token == order.token else Giving(token=order.token)

    def _open(self, want: DesiredServer, order: MoveOrder, size_bytes: int) -> Restic:
        if not order.by_bus:
            return self._ground.open(want)
        self._files.clean(want.id, order.token)
        if not self._files.folder(want.id, order.token).exists():
            swap.check_room(self._ground.root, size_bytes)
        return self._files.open(want.id, order.token, lambda: self._ends(want), makes=True)

    def _ends(self, want: DesiredServer) -> str | None:
        now = self._ground.desired.newest(want.id)
        if self._ground.is_ending or self._ground.desired.draining:
            return "zedops ends"
        same = now is not None and now.move is not None and want.move is not None
        if not same or (now and now.move and want.move and now.move.token != want.move.token):
            return "the move is asked for no more"
        return None

    def _make(
        self, opened: Restic, want: DesiredServer, parent: str | None,
        progress: Callable[[str], None], tries: int,
    ) -> Made:
        places = self._ground.places(want)
        about = self._describe(want, places)
        tags = ("zedops", f"server={want.id}", f"name={want.name}", f"fleet={self._ground.fleet}",
                "reason=move")
        own = [f"{escaped(place)}/{each}" for place in places.values() for each in OURS]
        while True:
            tries -= 1
            try:
                return opened.backup((*places.values(), str(about)), tags, own, parent, progress)
            except ResticFailed:
                if tries == 0 or self._ends(want) is not None:
                    raise

    def _describe(self, want: DesiredServer, places: dict[str, str]) -> Path:
        """Write down where the volumes are, and what was answered: it is not answered again."""
        folder = self._ground.root / "backups" / self._ground.fleet / "about" / want.id
        path = manifest.write(folder, self._ground.fleet, self._ground.host, want, places)
        known = self._ground.record(want)
        said = json.loads(files.read(path))
        answers = {"answered", "restored", "proved", "tried_at"}
        said["answers"] = known.model_dump(mode="json", include=answers)
        files.write(path, json.dumps(said, indent=1, sort_keys=True).encode())
        return path

    def drop(self, want: DesiredServer) -> None:
        """Drop the note of the last snapshot, before the server may run again."""
        known = self._ground.record(want).giving
        if known is not None:
            self._ground.change(want, giving=known.model_copy(update={"last": None}))
            failpoints.point("move.dropped")

    def fail(self, want: DesiredServer, text: str) -> None:
        """Note why a world cannot be given."""
        order = gives(want)
        if order is None or self._ends(want) is not None:
            raise LookOutdated(text)
        known = self._known(want, order)
        self._ground.change(want, giving=known.model_copy(update={"failure": brief(text)}))


def tally(server_id: str, places: dict[str, str]) -> tuple[int, int]:
    """Count the bytes and files of a world. Raises DataAtRisk if it cannot be read."""
    found = [holdings.measure(server_id, key, Path(each)) for key, each in places.items()]
    if any(each.size_bytes is None for each in found):
        raise DataAtRisk("its world cannot be measured; see to its disk")
    return sum(each.size_bytes or 0 for each in found), sum(each.files for each in found)
