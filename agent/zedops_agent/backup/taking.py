"""Takes a world over: fetches the snapshots of a move beside, and puts the last in its place."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zedops.errors import DataAtRisk, LookOutdated
from zedops.protocol.moves import MoveOrder, WorldSnapshot
from zedops.protocol.sync import DesiredServer
from zedops.spec.state_block import brief
from zedops.system import failpoints
from zedops_agent import removal
from zedops_agent.backup import manifest, swap
from zedops_agent.backup.catching_up import catch_up
from zedops_agent.backup.giving import tally
from zedops_agent.backup.ground import Ground
from zedops_agent.backup.move_files import MoveFiles
from zedops_agent.backup.move_record import Taking
from zedops_agent.backup.move_rules import takes
from zedops_agent.backup.record import Aside
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.observed import Observed

log = logging.getLogger(__name__)

#: A smaller world is restored as a whole: that takes one call of restic, and the difference three.
_SMALL_BYTES = 64 << 20


class WorldTaker:
    """Fetches worlds, on the host that a server moves to."""

    def __init__(self, ground: Ground, move_files: MoveFiles) -> None:
        self._ground, self._files = ground, move_files

    def begin(self, want: DesiredServer) -> None:
        """Note that a move begins."""
        order = self._order(want)
        self._files.clean(want.id, order.token)
        self._ground.change(want, taking=Taking(token=order.token, at=datetime.now(UTC)))
        failpoints.point("move.begun")

    def check_room(self, want: DesiredServer) -> None:
        """Check that the world fits, before its old host stops anything. Raises DataAtRisk."""
        order, known = self._known(want)
        if order.snapshot is None:
            raise LookOutdated("there is no snapshot yet")
        size = order.snapshot.size_bytes * (2 if order.by_bus else 1)
        swap.check_room(self._ground.home(want), size)
        self._ground.change(want, taking=known.model_copy(update={"has_room": True}))

    def take(self, want: DesiredServer, progress: Callable[[str], None]) -> None:
        """Fetch a snapshot beside; the last one is verified and ready to take its place."""
        order, known = self._known(want)
        if order.snapshot is None:
            raise LookOutdated("there is no snapshot yet")
        progress(f"the world comes from {order.peer}")
        opened = self._open(want, order)
        keys = self._ground.places(want)
        if known.about and known.places.keys() == keys.keys():
            places, about = known.places, known.about  # as in the first snapshot
        else:
            places, about = self._locate(opened, want, order.snapshot.snapshot)
        update: dict[str, object] = {"fetched": order.snapshot.snapshot, "settled": False}
        if order.last:
            self._fetch_last(opened, want, order.snapshot, places, about)
            update |= {"settled": True, "aside": swap.aside_name(datetime.now(UTC))}
        else:
            self._restore(opened, want, order.snapshot.snapshot, places, about)
            update |= {"beside": order.snapshot.snapshot}
        failpoints.point("move.fetched")
        known = self._known(want)[1]
        taking = known.model_copy(update={**update, "places": places, "about": about})
        self._ground.change(want, taking=taking)

    def _restore(
        self, opened: Restic, want: DesiredServer, snapshot: str, places: dict[str, str], about: str
    ) -> Path:
        """Restore a whole snapshot beside."""
        self._forget_beside(want)
        target = swap.begin(self._ground.home(want))
        opened.restore(snapshot, target, (*places.values(), about))
        return target

    def _fetch_last(
        self, opened: Restic, want: DesiredServer, last: WorldSnapshot, places: dict[str, str],
        about: str,
    ) -> None:
        """Fetch and verify the last snapshot: the difference alone, where that is faster."""
        known, home = self._known(want)[1], self._ground.home(want)
        if known.beside is not None and last.size_bytes >= _SMALL_BYTES:
            base, target = known.beside, home / swap.RESTORED
            self._forget_beside(want)
            try:
                catch_up(opened, base, last.snapshot, target, tuple(places.values()), about)
                return self._settle(want, target, last, places, about)
            except (ResticFailed, DataAtRisk, OSError, ValueError, KeyError) as error:
                if self._ends(want) is not None:
                    raise LookOutdated(str(error)) from error
                log.info("%s: its whole world is restored: %s", want.name, brief(str(error)))
        target = self._restore(opened, want, last.snapshot, places, about)
        return self._settle(want, target, last, places, about)

    def _forget_beside(self, want: DesiredServer) -> None:
        """Note that what is beside is about to change."""
        known = self._known(want)[1]
        self._ground.change(want, taking=known.model_copy(update={"beside": None}))

    def _settle(
        self, want: DesiredServer, target: Path, last: WorldSnapshot, places: dict[str, str],
        about: str,
    ) -> None:
        """Compare a fetched world with the one that was given, and make it ready for its place."""
        said = _read(target / about.lstrip("/"))
        there = _places(said)
        if {key: there.get(key) for key in places} != places:
            raise DataAtRisk("the volumes changed during the move")
        swap.settle(self._ground.home(want), places, self._ground.lookout.places.owner(want))
        found = tally(want.id, {key: str(target / f"={key}") for key in places})
        if found != (last.size_bytes, last.files):
            fact = f"has {found[0]} bytes in {found[1]} files"
            raise DataAtRisk(f"the world {fact}, not {last.size_bytes} in {last.files}")
        self._carry_on(want, said)

    def _locate(
        self, opened: Restic, want: DesiredServer, short: str
    ) -> tuple[dict[str, str], str]:
        """Find where a snapshot has each volume, and its description."""
        found = [each for each in opened.snapshots(f"server={want.id}") if each.short == short]
        if not found:
            raise ResticFailed(f"{opened.address} has no snapshot {short} of it")
        paths = found[-1].paths
        about = next((each for each in paths if each.endswith(f"/{manifest.NAME}")), None)
        if about is None:
            raise ResticFailed(f"snapshot {short} was not made by zedops")
        there = _places(json.loads(opened.dump(found[-1].id, about)))
        keys = self._ground.places(want)
        if missing := [key for key in keys if key not in there]:
            raise ResticFailed(f"snapshot {short} has no volume {missing[0]!r}")
        return {key: there[key] for key in keys}, about

    def _carry_on(self, want: DesiredServer, said: dict[str, Any]) -> None:
        """Take over what the old host has answered, so that no restore or backup comes again."""
        known = self._ground.record(want)
        answers = said.get("answers")
        read = known.model_validate(answers if isinstance(answers, dict) else {})
        self._ground.change(want, answered=read.answered, restored=read.restored,
                            proved=read.proved, tried_at=read.tried_at)

    def place(self, want: DesiredServer, seen: Observed) -> None:
        """Put the fetched world in its place; one that was there before is kept aside."""
        order, known = self._known(want)
        if any(each.up for each in seen.containers):
            raise DataAtRisk("a container of it runs here, while another host acts for it")
        swap.put_in_place(self._ground.home(want), known.places, known.aside)
        failpoints.point("move.placed")
        until = datetime.now(UTC) + timedelta(seconds=want.kept_s)
        others = tuple(each for each in self._ground.record(want).asides
                       if each.name != known.aside)
        aside = Aside(name=known.aside, until=until)
        placed = {"placed": known.fetched, "settled": False}
        self._ground.change(want, asides=(*others, aside), taking=known.model_copy(update=placed))
        self._files.clean(want.id, order.token if order.by_bus else None)

    def start(self, want: DesiredServer) -> None:
        """Note that the server is about to run here for the first time."""
        known = self._ground.record(want).taking
        if known is not None:
            started = known.model_copy(update={"started": datetime.now(UTC)})
            self._ground.change(want, taking=started)

    def end(self, want: DesiredServer, failure: str | None) -> None:
        """Note that the server ran with the world, or why it cannot."""
        known = self._ground.record(want).taking
        if known is None:
            raise LookOutdated("no move has begun")
        update = {"failure": brief(failure)} if failure is not None else {"over": True}
        if failure is not None and known.placed is None:
            removal.remove_tree(self._ground.home(want), swap.RESTORED)
            self._files.clean(want.id)
        self._ground.change(want, taking=known.model_copy(update=update))
        failpoints.point("move.ended")

    def fail(self, want: DesiredServer, text: str) -> None:
        """Note why a world cannot be taken."""
        if self._ends(want) is not None:
            raise LookOutdated(text)
        self.end(want, text)

    def _order(self, want: DesiredServer) -> MoveOrder:
        order = takes(want)
        if order is None:
            raise LookOutdated("the move is asked for no more")
        return order

    def _known(self, want: DesiredServer) -> tuple[MoveOrder, Taking]:
        order, known = self._order(want), self._ground.record(want).taking
        if known is None or known.token != order.token:
            raise LookOutdated("no move has begun")
        return order, known

    def _open(self, want: DesiredServer, order: MoveOrder) -> Restic:
        if not order.by_bus:
            return self._ground.open(want)
        return self._files.open(want.id, order.token, lambda: self._ends(want), makes=False)

    def _ends(self, want: DesiredServer) -> str | None:
        now = self._ground.desired.newest(want.id)
        if self._ground.is_ending or self._ground.desired.draining:
            return "zedops ends"
        mine, newest = takes(want), takes(now) if now is not None else None
        if mine is None or newest is None or mine.token != newest.token:
            return "the move is asked for no more"
        return None


def _places(said: dict[str, Any]) -> dict[str, str]:
    try:
        return manifest.places(said)
    except ValueError as error:
        raise ResticFailed(str(error)) from error


def _read(path: Path) -> dict[str, Any]:
    """Read the description that came with a world. ResticFailed if it is none."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResticFailed(f"the description of the world is damaged: {error}") from error
    return said if isinstance(said, dict) else {}
