"""Carries out the steps of backups and restores on this host. `rules` decides them.

A failure is noted in the server's record and never raised into the server's own work: the server
goes on, and its state says what failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import assert_never

from zedops.errors import DataAtRisk, LookOutdated, PersistFailed, ZedopsError
from zedops.protocol.sync import DesiredServer, ServerReport
from zedops.spec.state_block import brief
from zedops_agent.backup import due, move_rules, rules
from zedops_agent.backup.bringing import Bringing
from zedops_agent.backup.ground import Ground
from zedops_agent.backup.making import PASSING, Making
from zedops_agent.backup.move_record import facts
from zedops_agent.backup.moving import Moving
from zedops_agent.backup.proofs import Proofs
from zedops_agent.backup.record import Reason
from zedops_agent.backup.repositories import Repositories
from zedops_agent.backup.turn import Turn
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed
from zedops_agent.observer import Observer
from zedops_agent.secrets import Secrets
from zedops_agent.steps import (
    BackUp,
    EndBackup,
    EndRestore,
    FetchWorld,
    GiveWorld,
    HoldWrites,
    NoteMove,
    OpenBackup,
    PlaceWorld,
    Plan,
    PutBack,
    ReleaseWrites,
    SwapWorld,
    SweepWorlds,
    TakeWorld,
    WorldStep,
)

log = logging.getLogger(__name__)


class Worlds:
    """The backups of one fleet's servers on this host."""

    def __init__(
        self, root: Path, fleet: str, host: str, engine: Engine, lookout: Observer,
        repositories: Repositories, desired: Desired, wake: Callable[[set[str]], None],
        secrets: Secrets,
    ) -> None:
        self._ground = Ground(root, fleet, host, engine, lookout, repositories, desired)
        self._making, self._bringing = Making(self._ground), Bringing(self._ground)
        self.moving = Moving(self._ground, wake)
        self._turn = Turn(wake)
        self._proofs = Proofs(self._ground, secrets, self._turn, wake)

    def start(self) -> None:
        """Remove what proofs and moves of an earlier agent left."""
        self._proofs.start()
        self.moving.start()

    def end(self) -> None:
        """End each restic: zedops ends. The next agent goes on."""
        self._ground.is_ending = True

    def close(self) -> None:
        """End each proof, with its container."""
        self._proofs.close()

    def planned(
        self, plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
    ) -> Plan:
        """Put backups and restores into a server's plan."""
        if seen.root_gone is not None:
            return plan
        known = self._ground.record(want)
        is_moving = move_rules.is_away(want) and known.begun is None and known.restoring is None
        is_wanted = self.moving.needs_turn(want, known) or (
            not is_moving and due.is_wanted(plan, want, seen, known, now)
        )
        has_turn = is_wanted and self._turn.take(want.id)
        if not is_wanted:
            self._turn.release(want.id)
        if not is_moving:
            plan = rules.with_world_work(plan, want, seen, memory, known, now, has_turn=has_turn)
            plan = self._proofs.planned(plan, want, known, now)
        return self.moving.planned(plan, want, seen, memory, known, now, has_turn=has_turn)

    def told(self, report: ServerReport, want: DesiredServer, seen: Observed) -> ServerReport:
        """Add to a report at rest the last backup, and what failed since."""
        if seen.root_gone is not None or report.activity is not None:  # one report, one commit
            return report
        try:
            known = self._ground.record(want)
        except PersistFailed:
            return report
        move = facts(known.giving, known.taking, move_rules.token_of(want))
        report = report.model_copy(update={"move": move})
        said = due.failed(want, known)
        note = report.note or (brief(said) if said else None)
        last = str(known.told) if known.told else None
        return report.model_copy(update={"backup": last, "note": note})

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._turn.release(server_id)
        self.moving.forget(server_id)

    def carry_out(
        self, step: WorldStep, want: DesiredServer, seen: Observed,
        progress: Callable[[str], None],
    ) -> None:
        """Do one step. A failure is noted; LookOutdated then says to look again."""
        try:
            self._carry_out(step, want, seen, progress)
        except PASSING:
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
                self._making.open_backup(step, want, seen)
            case HoldWrites():
                self._making.hold(step, want)
            case BackUp():
                self._making.back_up(want, seen, progress)
            case ReleaseWrites():
                self._making.release(step, want)
            case EndBackup():
                self._making.end_backup(want)
            case FetchWorld():
                self._bringing.fetch(step, want, progress)
            case SwapWorld():
                self._bringing.swap(want, seen)
            case PutBack():
                self._bringing.put_back(step, want)
            case EndRestore():
                self._bringing.end_restore(want)
            case SweepWorlds():
                self._bringing.sweep(step, want)
            case GiveWorld() | TakeWorld() | PlaceWorld() | NoteMove():
                self.moving.carry_out(step, want, seen, progress)
            case _:
                assert_never(step)

    def _note_failure(self, step: WorldStep, want: DesiredServer, text: str) -> None:
        """Note a failure, and let the server go on."""
        if self._ground.ends(want) is not None:
            raise LookOutdated(text)
        log.warning("%s: %s failed: %s", want.name, type(step).__name__, brief(text),
                    extra={"server": want.name})
        known = self._ground.record(want)
        match step:
            case OpenBackup():
                self._making.note_failure(want, known, step.token, Reason(step.reason), text)
            case HoldWrites() | BackUp() if known.begun is not None:
                over = known.begun.model_copy(update={"over": True})
                self._making.note_failure(want, known, known.begun.token, known.begun.reason, text,
                                          begun=over)
            case FetchWorld():
                self._bringing.note_failure(step, want, text)
            case SweepWorlds():
                self._bringing.put_off(want)
            case GiveWorld() | TakeWorld() | PlaceWorld() | NoteMove():
                self.moving.note_failure(step, want, text)
            case _:
                raise DataAtRisk(f"{type(step).__name__}: {text}")
        raise LookOutdated(text)
