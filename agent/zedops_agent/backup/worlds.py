"""Carries out the steps of backups and restores on this host. `rules` decides them.

A failure is noted in the server's record and never raised into the server's own work: the server
goes on, and its state says what failed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_never

from zedops import failpoints
from zedops.errors import (
    CommandFailed,
    DataAtRisk,
    EngineUnreachable,
    LookOutdated,
    PersistFailed,
    RootGone,
    ZedopsError,
)
from zedops.protocol.remarks import BACKUP_FAILED, RESTORE_FAILED
from zedops.protocol.sync import DesiredServer, ServerReport
from zedops.spec.backup import LastBackup
from zedops.spec.quantities import format_size
from zedops.spec.state_block import brief
from zedops.spec.volume import VolumeKind
from zedops_agent import removal
from zedops_agent.backup import keep, manifest, record_file, rules, swap
from zedops_agent.backup.choose import pick
from zedops_agent.backup.record import Aside, Begun, Reason, Record, Restoring, Trouble
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.restic import Made, Restic, ResticFailed, escaped
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.markers import OURS
from zedops_agent.memory import Memory, matches, process
from zedops_agent.observed import Observed
from zedops_agent.observer import Observer
from zedops_agent.steps import (
    BackUp,
    EndBackup,
    EndRestore,
    FetchWorld,
    HoldWrites,
    OpenBackup,
    Plan,
    PutBack,
    ReleaseWrites,
    SwapWorld,
    SweepWorlds,
    WorldStep,
)

log = logging.getLogger(__name__)

#: The time that one command before or after a backup may take.
COMMAND_S = 60.0
#: How often the commands after a backup are tried before a person has to run them.
_RELEASES = 3
#: How many answered restores a record remembers: a revert must not restore again.
_ANSWERED = 20
#: A world that lost more than this share of its size or files looks damaged.
_SHRUNK, _SMALL_BYTES = 0.5, 1 << 20
_PRUNE = timedelta(days=1)
#: Errors that say nothing against the backup: the agent looks again.
_PASSING = (EngineUnreachable, LookOutdated, RootGone, PersistFailed)


class Turn:
    """One server at a time on this host; the others are woken when it is their turn."""

    def __init__(self, wake: Callable[[set[str]], None]) -> None:
        self._wake, self._lock = wake, threading.Lock()
        self._holder: str | None = None
        self._waiting: set[str] = set()

    def take(self, server_id: str) -> bool:
        """Take the turn, if no other server has it."""
        with self._lock:
            if self._holder in (None, server_id):
                self._holder = server_id
                self._waiting.discard(server_id)
                return True
            self._waiting.add(server_id)
            return False

    def release(self, server_id: str) -> None:
        """Give the turn back, if this server has it."""
        with self._lock:
            self._waiting.discard(server_id)
            if self._holder != server_id:
                return
            self._holder, woken, self._waiting = None, self._waiting, set()
        self._wake(woken)


class Worlds:
    """The backups of one fleet's servers on this host."""

    def __init__(
        self, root: Path, fleet: str, host: str, engine: Engine, lookout: Observer,
        repositories: Repositories, desired: Desired, wake: Callable[[set[str]], None],
    ) -> None:
        self._root, self._fleet, self._host = root, fleet, host
        self._engine, self._lookout, self._desired = engine, lookout, desired
        self._repositories = repositories
        self._turn = Turn(wake)
        self._releases: dict[str, int] = {}
        #: The snapshots before each backup that this process has begun, by server.
        self._before: dict[str, list[Snapshot]] = {}
        #: Tokens of backups that this process has begun, and did not make yet.
        self._opened: set[str] = set()
        #: True: end each restic, because zedops ends or the host is drained.
        self.ends = False

    # --- for the reconciler

    def planned(
        self, plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
    ) -> Plan:
        """Put backups and restores into a server's plan."""
        if seen.root_gone is not None:
            return plan
        known = record_file.load(self._home(want))
        is_wanted = rules.is_wanted(plan, want, seen, known, now)
        has_turn = is_wanted and self._turn.take(want.id)
        if not is_wanted:
            self._turn.release(want.id)
        return rules.with_world_work(plan, want, seen, memory, known, now, has_turn=has_turn)

    def told(self, report: ServerReport, want: DesiredServer, seen: Observed) -> ServerReport:
        """Add to a report at rest the last backup, and what failed since."""
        if seen.root_gone is not None or report.activity is not None:  # one report, one commit
            return report
        try:
            known = record_file.load(self._home(want))
        except PersistFailed:
            return report
        note = report.note
        if note is None and known.restore_trouble is not None:
            note = brief(f"{RESTORE_FAILED}{known.restore_trouble.text}")
        elif note is None and (said := known.shrunk or (known.trouble and known.trouble.text)):
            note = brief(f"{BACKUP_FAILED}{said}")
        last = str(known.last) if known.last else None
        return report.model_copy(update={"backup": last, "note": note})

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._turn.release(server_id)

    def carry_out(
        self, step: WorldStep, want: DesiredServer, seen: Observed,
        progress: Callable[[str], None],
    ) -> None:
        """Do one step. A failure is noted; LookOutdated then says to look again."""
        try:
            self._carry_out(step, want, seen, progress)
        except _PASSING:
            raise
        except (ZedopsError, OSError) as error:
            self._note_failure(step, want, str(error))
        except Exception as error:
            log.exception("%s: %s failed", want.name, type(step).__name__)
            text = f"{type(error).__name__}: {error}; this is a bug, see the agent's log"
            self._note_failure(step, want, text)

    def _carry_out(
        self, step: WorldStep, want: DesiredServer, seen: Observed,
        progress: Callable[[str], None],
    ) -> None:
        match step:
            case OpenBackup():
                self._open_backup(step, want, seen)
            case HoldWrites():
                self._change_begun(want, held=step.container)
                failpoints.point("backup.held")
                self._run(step.container, step.commands, "before")
            case BackUp():
                self._back_up(want, seen, progress)
            case ReleaseWrites():
                self._release(step, want)
            case EndBackup():
                self._end_backup(want)
            case FetchWorld():
                self._fetch(step, want, progress)
            case SwapWorld():
                self._swap(want, seen)
            case PutBack():
                self._put_back(step, want)
            case EndRestore():
                self._end_restore(want)
            case SweepWorlds():
                self._sweep(step, want)
            case _:
                assert_never(step)

    # --- a backup

    def _open_backup(self, step: OpenBackup, want: DesiredServer, seen: Observed) -> None:
        """Find the repository and the last snapshot, before anything stops."""
        self._change(want, tried_at=datetime.now(UTC))
        self._check_data(want, seen)
        opened = self._open(want)
        self._before[want.id] = found = opened.snapshots(f"server={want.id}")
        parent = found[-1].id if found else None
        self._opened = {step.token}
        self._change(want, begun=Begun(
            token=step.token, reason=Reason(step.reason), at=datetime.now(UTC),
            wish=rules.wish(want), was_up=step.was_up, parent=parent,
            container=next((each.id for each in seen.containers if each.up), None),
        ))

    def _check_data(self, want: DesiredServer, seen: Observed) -> None:
        if seen.data_exists is None:
            raise DataAtRisk("its data cannot be looked at; see to its disk")
        if not seen.data_exists:
            raise DataAtRisk("it has no data yet, so there is nothing to back up")
        self._lookout.require_data(want, seen)

    def _back_up(
        self, want: DesiredServer, seen: Observed, progress: Callable[[str], None]
    ) -> None:
        known = record_file.load(self._home(want))
        begun = known.begun
        if begun is None:
            raise LookOutdated("no backup has begun")
        self._check_data(want, seen)
        opened = self._open(want)
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
        self._change(want, begun=begun.model_copy(update={"over": True}), last=last,
                     answered=begun.token if is_asked else known.answered, trouble=None,
                     before=begun.token if is_before else known.before,
                     shrunk=shrunk, measure=known.measure if shrunk else last)

    def _make(
        self, opened: Restic, want: DesiredServer, begun: Begun, digest: str,
        progress: Callable[[str], None],
    ) -> Made:
        places = self._places(want)
        folder = self._root / "backups" / self._fleet / "about" / want.id
        about = manifest.write(folder, self._fleet, self._host, want, places)
        tags = ("zedops", f"server={want.id}", f"name={want.name}", f"fleet={self._fleet}",
                f"reason={begun.reason}", f"token={digest}")
        own = [f"{escaped(place)}/{each}" for place in places.values() for each in OURS]
        exclude = (*own, *rules.settings(want).exclude)
        paths = (*places.values(), str(about))
        return opened.backup(paths, tags, exclude, begun.parent, progress)

    def _places(self, want: DesiredServer) -> dict[str, str]:
        """Say where the directory of each data volume is, links resolved."""
        resolved = self._lookout.places.resolved(want)
        return {key: resolved[key] for key, each in want.definition.volumes.items()
                if each.kind is VolumeKind.DATA}

    def _run(self, container: str, commands: tuple[tuple[str, ...], ...], when: str) -> None:
        for command in commands:
            shown = command[-1] if command[:2] == ("/bin/sh", "-c") else " ".join(command)
            said = bytearray()
            stream = self._engine.streams.run(container, command)
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

    def _release(self, step: ReleaseWrites, want: DesiredServer) -> None:
        tries = self._releases[want.id] = self._releases.get(want.id, 0) + 1
        try:
            self._run(step.container, step.commands, "after")
        except _PASSING:
            raise
        except ZedopsError as error:
            if tries < _RELEASES:
                raise LookOutdated(f"trying again: {error}") from error
            log.warning("%s: %s", want.name, error)
            known = record_file.load(self._home(want))
            text = f"{error}; the server may not save: restart it, or run that command in it"
            trouble = _trouble(known.trouble, text, known.begun.token if known.begun else "")
            self._change(want, trouble=trouble)
        failpoints.point("backup.released")
        self._releases.pop(want.id, None)
        self._change_begun(want, held=None)

    def _end_backup(self, want: DesiredServer) -> None:
        known = record_file.load(self._home(want))
        self._change(want, begun=None)
        failpoints.point("backup.ended")
        if known.begun is None or not known.begun.over or known.trouble or known.shrunk:
            return
        try:
            self._thin_out(want, known)
        except ZedopsError as error:  # the snapshot is made; the next backup tries again
            log.warning("%s: cannot remove old snapshots: %s", want.name, error)

    def _thin_out(self, want: DesiredServer, known: Record) -> None:
        needed = {known.last.snapshot} if known.last else set()
        found = self._before.pop(want.id, [])
        old = keep.surplus(found, rules.settings(want).keep, needed)
        if not old:
            return
        stamp = self._root / "backups" / self._fleet / "pruned"
        now = datetime.now(UTC)
        prunes = not stamp.exists() or now - _changed(stamp) > _PRUNE
        self._open(want).forget([each.id for each in old], prune=prunes)
        if prunes:
            stamp.touch(mode=0o600)

    # --- a restore

    def _fetch(
        self, step: FetchWorld, want: DesiredServer, progress: Callable[[str], None]
    ) -> None:
        """Restore a snapshot beside the world, and verify it."""
        home = self._home(want)
        opened = self._open(want)
        known = record_file.load(home)
        begun = known.restoring
        if begun is None:
            begun = self._choose(opened, step, want)
            swap.check_room(home, opened.size(begun.snapshot)[0])
            self._change(want, restoring=begun)
            failpoints.point("restore.chosen")
        progress(f"restoring snapshot {begun.snapshot[:8]} beside the world")
        target = swap.begin(home)
        opened.restore(begun.snapshot, target, tuple(begun.places.values()))
        failpoints.point("restore.fetched")
        swap.settle(home, begun.places, self._lookout.places.owner(want))
        self._change(want, restoring=begun.model_copy(update={"stage": "swap"}))

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
        for key in self._places(want):
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

    def _swap(self, want: DesiredServer, seen: Observed) -> None:
        home, begun = self._restoring(want)
        if (gone := self._lookout.look_at_root()) is not None:
            raise RootGone(gone)
        mine = [each for each in seen.containers if matches(each, want)]
        swap.put_in_place(home, begun.places, begun.aside)
        now = datetime.now(UTC)
        known = record_file.load(home)
        aside = Aside(name=begun.aside, until=now + timedelta(seconds=want.kept_s))
        others = tuple(each for each in known.asides if each.name != begun.aside)
        watched = {"stage": "watch", "container": process(mine[0]) if mine else None}
        self._change(want, restoring=begun.model_copy(update=watched), asides=(*others, aside))

    def _put_back(self, step: PutBack, want: DesiredServer) -> None:
        home, begun = self._restoring(want)
        going = begun.model_copy(update={"stage": "back", "failure": begun.failure or step.cause})
        self._change(want, restoring=going)
        failpoints.point("restore.turned")
        swap.put_back(home, begun.places, begun.aside)
        known = record_file.load(home)
        others = tuple(each for each in known.asides if each.name != begun.aside)
        self._change(want, restoring=going.model_copy(update={"stage": "over"}), asides=others)

    def _end_restore(self, want: DesiredServer) -> None:
        home, begun = self._restoring(want)
        known = record_file.load(home)
        trouble = None
        if begun.failure is not None:
            text = f"snapshot {begun.snapshot[:8]}: {begun.failure}; the former world is back"
            trouble = _trouble(None, text, begun.token)
        if begun.stage == "fetch":
            removal.remove_tree(home, swap.RESTORED)
        self._change(want, restoring=None, restore_trouble=trouble,
                     restored=(*known.restored, begun.token)[-_ANSWERED:])

    def _restoring(self, want: DesiredServer) -> tuple[Path, Restoring]:
        home = self._home(want)
        begun = record_file.load(home).restoring
        if begun is None:
            raise LookOutdated("no restore has begun")
        return home, begun

    def _sweep(self, step: SweepWorlds, want: DesiredServer) -> None:
        home = self._home(want)
        for name in step.names:
            self._repositories.policy.check_purge()
            removal.remove_aside(home, name)
            failpoints.point("restore.swept")
            left = tuple(each for each in record_file.load(home).asides if each.name != name)
            self._change(want, asides=left)

    # --- what all share

    def _home(self, want: DesiredServer) -> Path:
        return self._lookout.places.home(want.id)

    def _open(self, want: DesiredServer) -> Restic:
        name = rules.settings(want).repository
        return self._repositories.open(name, want.repository, lambda: self._ends(want))

    def _ends(self, want: DesiredServer) -> str | None:
        """Say why restic has to end: zedops ends, or something else is asked of the server."""
        if self.ends or self._desired.draining:
            return "zedops ends"
        now = self._desired.newest(want.id)
        if now is None or rules.wish(now) != rules.wish(want):
            return "something else is asked of the server by now"
        return None

    def _change(self, want: DesiredServer, **facts: object) -> None:
        home = self._home(want)
        home.mkdir(mode=0o700, exist_ok=True)
        record_file.save(home, record_file.load(home).model_copy(update=facts))

    def _change_begun(self, want: DesiredServer, **facts: object) -> None:
        begun = record_file.load(self._home(want)).begun
        if begun is None:
            raise LookOutdated("no backup has begun")
        self._change(want, begun=begun.model_copy(update=facts))

    def _note_failure(self, step: WorldStep, want: DesiredServer, text: str) -> None:
        """Note a failure, and let the server go on."""
        if self._ends(want) is not None:
            raise LookOutdated(text)
        log.warning("%s: %s failed: %s", want.name, type(step).__name__, brief(text),
                    extra={"server": want.name})
        known = record_file.load(self._home(want))
        match step:
            case OpenBackup():
                self._note_backup(want, known, step.token, Reason(step.reason), text)
            case HoldWrites() | BackUp() if known.begun is not None:
                over = known.begun.model_copy(update={"over": True})
                self._note_backup(want, known, known.begun.token, known.begun.reason, text,
                                  begun=over)
            case FetchWorld():
                removal.remove_tree(self._home(want), swap.RESTORED)
                self._change(want, restoring=None,
                             restore_trouble=_trouble(known.restore_trouble, text, step.token),
                             restored=(*known.restored, step.token)[-_ANSWERED:])
            case SweepWorlds():  # its owner keeps all data, or a disk is mounted there
                later = datetime.now(UTC) + _PRUNE
                asides = [each.model_copy(update={"until": max(each.until, later)})
                          for each in known.asides]
                self._change(want, asides=tuple(asides))
            case _:
                raise DataAtRisk(f"{type(step).__name__}: {text}")
        raise LookOutdated(text)

    def _note_backup(
        self, want: DesiredServer, known: Record, token: str, reason: Reason, text: str,
        **facts: object,
    ) -> None:
        answered = token if reason is Reason.ASKED else known.answered
        self._change(want, trouble=_trouble(known.trouble, text, token), answered=answered,
                     tried_at=datetime.now(UTC), **facts)


def _trouble(before: Trouble | None, text: str, token: str) -> Trouble:
    attempts = before.attempts + 1 if before else 1
    return Trouble(text=brief(text), at=datetime.now(UTC), token=token, attempts=attempts)


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
