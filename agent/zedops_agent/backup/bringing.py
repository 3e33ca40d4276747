"""Brings worlds back: fetches a snapshot beside the world, and swaps the two."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zedops.errors import LookOutdated, RootGone
from zedops.protocol.sync import DesiredServer
from zedops.system import failpoints
from zedops_agent import removal
from zedops_agent.backup import manifest, swap
from zedops_agent.backup.choose import pick
from zedops_agent.backup.ground import Ground, trouble_of
from zedops_agent.backup.record import Aside, Restoring
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.memory import matches, process
from zedops_agent.observed import Observed
from zedops_agent.steps import FetchWorld, PutBack, SweepWorlds

#: How many answered restores a record remembers: a revert must not restore again.
_ANSWERED = 20
#: The time until the next try to remove a former world.
_LATER = timedelta(days=1)


class Bringing:
    """Restores the worlds of one fleet's servers."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def fetch(
        self, step: FetchWorld, want: DesiredServer, progress: Callable[[str], None]
    ) -> None:
        """Restore a snapshot beside the world, and verify it."""
        home = self._ground.home(want)
        opened = self._ground.open(want)
        known = self._ground.record(want)
        begun = known.restoring
        if begun is None:
            begun = self._choose(opened, step, want)
            swap.check_room(home, opened.size(begun.snapshot)[0])
            self._ground.change(want, restoring=begun)
            failpoints.point("restore.chosen")
        progress(f"restoring snapshot {begun.snapshot[:8]} beside the world")
        target = swap.begin(home)
        opened.restore(begun.snapshot, target, tuple(begun.places.values()))
        failpoints.point("restore.fetched")
        swap.settle(home, begun.places, self._ground.lookout.places.owner(want))
        self._ground.change(want, restoring=begun.model_copy(update={"stage": "swap"}))

    def _choose(self, opened: Restic, step: FetchWorld, want: DesiredServer) -> Restoring:
        world = want.definition.world
        of = (world.of if world else None) or want.id
        chosen = pick(opened.snapshots(f"server={of}"), step.token, want.name)
        about = next((each for each in chosen.paths if each.endswith(f"/{manifest.NAME}")), None)
        if about is None:
            raise ResticFailed(f"snapshot {chosen.short} was not made by zedops")
        try:
            there = manifest.places(json.loads(opened.dump(chosen.id, about)))
        except ValueError as error:
            raise ResticFailed(f"snapshot {chosen.short}: {error}") from error
        places = {}
        for key in self._ground.places(want):
            if want.definition.volumes[key].source is not None:
                fact = f"volume {key!r} has a `source:` of its own, which zedops never replaces"
                raise ResticFailed(f"{fact}; restore it with `zedops backup export` and by hand")
            if key not in there:
                known = ", ".join(sorted(there)) or "none"
                raise ResticFailed(f"snapshot {chosen.short} has no volume {key!r}, only: {known}")
            places[key] = there[key]
        now = datetime.now(UTC)
        return Restoring(token=step.token, snapshot=chosen.id, at=now, was_up=step.was_up,
                         places=places, aside=swap.aside_name(now))

    def swap(self, want: DesiredServer, seen: Observed) -> None:
        """Put the restored world in its place, with no container up."""
        home, begun = self._restoring(want)
        if (gone := self._ground.lookout.look_at_root()) is not None:
            raise RootGone(gone)
        now_there = self._ground.engine.inspector.inspect(each.id for each in seen.containers)
        if any(each.up for each in now_there):
            raise LookOutdated("it was started again before its world was replaced")
        mine = [each for each in seen.containers if matches(each, want)]
        swap.put_in_place(home, begun.places, begun.aside)
        now = datetime.now(UTC)
        known = self._ground.record(want)
        aside = Aside(name=begun.aside, until=now + timedelta(seconds=want.kept_s))
        others = tuple(each for each in known.asides if each.name != begun.aside)
        watched = {"stage": "watch", "container": process(mine[0]) if mine else None}
        going = begun.model_copy(update=watched)
        self._ground.change(want, restoring=going, asides=(*others, aside))

    def put_back(self, step: PutBack, want: DesiredServer) -> None:
        """Put the former world back."""
        home, begun = self._restoring(want)
        going = begun.model_copy(update={"stage": "back", "failure": begun.failure or step.cause})
        self._ground.change(want, restoring=going)
        failpoints.point("restore.turned")
        swap.put_back(home, begun.places, begun.aside)
        known = self._ground.record(want)
        others = tuple(each for each in known.asides if each.name != begun.aside)
        over = going.model_copy(update={"stage": "over"})
        self._ground.change(want, restoring=over, asides=others)

    def end_restore(self, want: DesiredServer) -> None:
        """Note the result of a restore."""
        home, begun = self._restoring(want)
        known = self._ground.record(want)
        trouble = None
        if begun.failure is not None:
            text = f"snapshot {begun.snapshot[:8]}: {begun.failure}; the former world is back"
            trouble = trouble_of(None, text, begun.token)
        if begun.stage == "fetch":
            removal.remove_tree(home, swap.RESTORED)
        self._ground.change(want, restoring=None, restore_trouble=trouble,
                     restored=(*known.restored, begun.token)[-_ANSWERED:])

    def _restoring(self, want: DesiredServer) -> tuple[Path, Restoring]:
        home = self._ground.home(want)
        begun = self._ground.record(want).restoring
        if begun is None:
            raise LookOutdated("no restore has begun")
        return home, begun

    def sweep(self, step: SweepWorlds, want: DesiredServer) -> None:
        """Remove former worlds."""
        home = self._ground.home(want)
        for name in step.names:
            self._ground.repositories.policy.check_purge()
            removal.remove_aside(home, name)
            failpoints.point("restore.swept")
            left = tuple(each for each in self._ground.record(want).asides if each.name != name)
            self._ground.change(want, asides=left)

    def note_failure(self, step: FetchWorld, want: DesiredServer, text: str) -> None:
        """Note why a restore failed before anything was touched."""
        removal.remove_tree(self._ground.home(want), swap.RESTORED)
        known = self._ground.record(want)
        trouble = trouble_of(known.restore_trouble, text, step.token)
        self._ground.change(want, restoring=None, restore_trouble=trouble,
                            restored=(*known.restored, step.token)[-_ANSWERED:])

    def put_off(self, want: DesiredServer) -> None:
        """Keep former worlds longer: this host keeps all data, or a disk is mounted there."""
        later = datetime.now(UTC) + _LATER
        asides = tuple(each.model_copy(update={"until": max(each.until, later)})
                       for each in self._ground.record(want).asides)
        self._ground.change(want, asides=asides)
