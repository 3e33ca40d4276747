"""Makes the snapshots of worlds: opens, holds writes, copies, releases, removes old ones."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zedops.errors import (
    CommandFailed,
    EngineUnreachable,
    LookOutdated,
    PersistFailed,
    RootGone,
    ZedopsError,
)
from zedops.protocol.sync import DesiredServer
from zedops.spec.backup import LastBackup
from zedops.spec.quantities import format_size
from zedops.spec.state_block import brief
from zedops.system import failpoints
from zedops_agent.backup import due, keep, manifest
from zedops_agent.backup.ground import Ground, trouble_of
from zedops_agent.backup.record import Begun, Reason, Record
from zedops_agent.backup.restic import Made, Restic, escaped
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.markers import OURS
from zedops_agent.observed import Observed
from zedops_agent.steps import HoldWrites, OpenBackup, ReleaseWrites

log = logging.getLogger(__name__)

#: The time that one command before or after a backup may take.
COMMAND_S = 60.0
#: How often the commands after a backup are tried before a person has to run them.
_RELEASES = 3
#: A world that lost more than this share of its size or files looks damaged.
_SHRUNK, _SMALL_BYTES = 0.5, 1 << 20
_PRUNE = timedelta(days=1)
#: Errors that say nothing against the backup: the agent looks again.
PASSING = (EngineUnreachable, LookOutdated, RootGone, PersistFailed)


class Making:
    """Makes backups of one fleet's servers."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._releases: dict[str, int] = {}
        #: The snapshots of each server, as this process has seen and made them.
        self._before: dict[str, list[Snapshot]] = {}
        #: Tokens of backups that this process has begun, and did not make yet.
        self._opened: set[str] = set()

    def open_backup(self, step: OpenBackup, want: DesiredServer, seen: Observed) -> None:
        """Find the repository and the last snapshot, before anything stops."""
        self._ground.change(want, tried_at=datetime.now(UTC))
        self._ground.check_data(want, seen)
        opened = self._ground.open(want)
        found = self._listed(opened, want)
        parent = found[-1].id if found else None
        self._opened = {step.token}
        self._ground.change(want, begun=Begun(
            token=step.token, reason=Reason(step.reason), at=datetime.now(UTC),
            wish=due.wish(want), was_up=step.was_up, parent=parent,
            container=next((each.id for each in seen.containers if each.up), None),
        ))

    def _listed(self, opened: Restic, want: DesiredServer) -> list[Snapshot]:
        """List a server's snapshots; those known already if the repository still has them all."""
        known = self._before.get(want.id)
        if known is None or not opened.surely_has(each.id for each in known):
            self._before[want.id] = known = opened.snapshots(f"server={want.id}")
        return known

    def hold(self, step: HoldWrites, want: DesiredServer) -> None:
        """Run the commands before a backup, once it is noted that those after it must run."""
        self._ground.change_begun(want, held=step.container)
        failpoints.point("backup.held")
        self._run(step.container, step.commands, "before")

    def back_up(
        self, want: DesiredServer, seen: Observed, progress: Callable[[str], None]
    ) -> None:
        """Make the snapshot, or find the one that was made before a crash."""
        known = self._ground.record(want)
        begun = known.begun
        if begun is None:
            raise LookOutdated("no backup has begun")
        self._ground.check_data(want, seen)
        opened = self._ground.open(want)
        digest = hashlib.sha256(begun.token.encode()).hexdigest()[:16]
        is_first = begun.token in self._opened
        self._opened.discard(begun.token)
        same = [] if is_first else opened.snapshots(f"server={want.id}", f"token={digest}")
        if same:  # made before a crash of the agent
            size, files = opened.size(same[-1].id)
            made, at = Made(same[-1].short, size, files, 0), same[-1].at
        else:
            made, at = self._make(opened, want, begun, digest, progress), datetime.now(UTC)
        failpoints.point("backup.made")
        if want.id in self._before:
            self._before[want.id].append(Snapshot(made.snapshot, at, (), ()))
        last = LastBackup(at=at, snapshot=made.snapshot, size_bytes=made.size_bytes,
                          files=made.files)
        is_asked = begun.reason is Reason.ASKED
        is_before = begun.reason in (Reason.UPDATE, Reason.PURGE)
        shrunk = None if is_asked else _shrunk(known.measure, last)
        self._ground.change(want, begun=begun.model_copy(update={"over": True}), last=last,
                     answered=begun.token if is_asked else known.answered, trouble=None,
                     before=begun.token if is_before else known.before,
                     restore_trouble=None if is_asked else known.restore_trouble,
                     shrunk=shrunk, measure=known.measure if shrunk else last,
                     sizes=known.with_size(last))

    def _make(
        self, opened: Restic, want: DesiredServer, begun: Begun, digest: str,
        progress: Callable[[str], None],
    ) -> Made:
        places = self._ground.places(want)
        folder = self._ground.root / "backups" / self._ground.fleet / "about" / want.id
        about = manifest.write(folder, self._ground.fleet, self._ground.host, want, places)
        tags = ("zedops", f"server={want.id}", f"name={want.name}", f"fleet={self._ground.fleet}",
                f"reason={begun.reason}", f"token={digest}")
        own = [f"{escaped(place)}/{each}" for place in places.values() for each in OURS]
        exclude = (*own, *due.settings(want).exclude)
        paths = (*places.values(), str(about))
        return opened.backup(paths, tags, exclude, begun.parent, progress)

    def _run(self, container: str, commands: tuple[tuple[str, ...], ...], when: str) -> None:
        for command in commands:
            shown = command[-1] if command[:2] == ("/bin/sh", "-c") else " ".join(command)
            said = bytearray()
            stream = self._ground.engine.streams.run(container, command)
            timer = threading.Timer(COMMAND_S, stream.abort)
            timer.start()
            try:
                for chunk in stream:
                    said += chunk[:1000]
            except CommandFailed as error:
                words = brief(said[-500:].decode("utf-8", "replace"))
                fact = f"`{shown}`, {when} the backup: {error}"
                raise ResticFailed(f"{fact}{f': {words}' if words else ''}") from error
            finally:
                is_late = not timer.is_alive()
                timer.cancel()
            if is_late:
                raise ResticFailed(f"`{shown}`, {when} the backup, took over {COMMAND_S:.0f} s")

    def release(self, step: ReleaseWrites, want: DesiredServer) -> None:
        """Run the commands after a backup; after some failures, tell a person to do it."""
        tries = self._releases[want.id] = self._releases.get(want.id, 0) + 1
        try:
            self._run(step.container, step.commands, "after")
        except PASSING:
            raise
        except ZedopsError as error:
            if tries < _RELEASES:
                raise LookOutdated(f"trying again: {error}") from error
            log.warning("%s: %s", want.name, error)
            known = self._ground.record(want)
            text = f"{error}; the server may not save: restart it, or run that command in it"
            trouble = trouble_of(known.trouble, text, known.begun.token if known.begun else "")
            self._ground.change(want, trouble=trouble)
        failpoints.point("backup.released")
        self._releases.pop(want.id, None)
        self._ground.change_begun(want, held=None)

    def end_backup(self, want: DesiredServer) -> None:
        """Note that a backup is over, and remove snapshots past their time."""
        known = self._ground.record(want)
        self._ground.change(want, begun=None)
        failpoints.point("backup.ended")
        if known.begun is None or not known.begun.over or known.trouble or known.shrunk:
            return
        try:
            self._thin_out(want, known)
        except ZedopsError as error:  # the snapshot is made; the next backup tries again
            log.warning("%s: cannot remove old snapshots: %s", want.name, error)

    def _thin_out(self, want: DesiredServer, known: Record) -> None:
        needed = {known.last.snapshot} if known.last else set()
        found = self._before.get(want.id, [])
        old = keep.surplus(found, due.settings(want).keep, needed)
        if not old:
            return
        stamp = self._ground.root / "backups" / self._ground.fleet / "pruned"
        now = datetime.now(UTC)
        prunes = not stamp.exists() or now - _changed(stamp) > _PRUNE
        self._before.pop(want.id, None)
        self._ground.open(want).forget([each.id for each in old], prune=prunes)
        self._before[want.id] = [each for each in found if each not in old]
        if prunes:
            stamp.touch(mode=0o600)

    def note_failure(
        self, want: DesiredServer, known: Record, token: str, reason: Reason, text: str,
        **facts: object,
    ) -> None:
        """Note why a backup failed."""
        answered = token if reason is Reason.ASKED else known.answered
        self._ground.change(want, trouble=trouble_of(known.trouble, text, token), answered=answered,
                     tried_at=datetime.now(UTC), **facts)


def _shrunk(before: LastBackup | None, now: LastBackup) -> str | None:
    """Say that a world lost more than half of its size or files since the last backup."""
    if before is None or before.size_bytes < _SMALL_BYTES:
        return None
    is_less = now.size_bytes < before.size_bytes * _SHRUNK or now.files < before.files * _SHRUNK
    if not is_less:
        return None
    sizes = f"{format_size(before.size_bytes)} in {before.files} files, now"
    sizes += f" {format_size(now.size_bytes)} in {now.files}"
    remedy = "older snapshots stay; if it is right, `zedops backup` takes it as the new measure"
    return f"snapshot {now.snapshot} is far smaller than the one before ({sizes}); {remedy}"


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
