"""Proves snapshots: restores the newest one beside everything, and starts the server on it.

A proof runs in a thread of its own, so that healing of the server goes on. It has the host's turn
for work on worlds, and touches neither the world nor its container. Its container and its copy are
removed in every case: at its end, or by the sweep of the next agent. A proof that was cut off is
still due, so it begins again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from zedops.errors import ZedopsError
from zedops.protocol.sync import DesiredServer
from zedops.system import failpoints
from zedops_agent import removal, secret_files
from zedops_agent.backup import proof_rules
from zedops_agent.backup.due import Due
from zedops_agent.backup.ground import Ground, trouble_of
from zedops_agent.backup.making import PASSING
from zedops_agent.backup.proof_run import ProofRun, holder
from zedops_agent.backup.record import Proof, Reason, Record
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.backup.turn import Turn
from zedops_agent.engine.proof_containers import ProofContainers
from zedops_agent.secrets import Secrets
from zedops_agent.steps import Plan

log = logging.getLogger(__name__)

#: The time until a sweep that failed is tried again.
_SWEEP_S = 5.0
#: The time until a proof that could not even be tried is tried again, or asks for the turn.
_LATER_S, _TURN_S = 300.0, 60.0
#: The time that the end of an agent gives a proof to remove its container.
_END_S = 10.0


class Proofs:
    """The proofs of one fleet's snapshots on this host."""

    def __init__(
        self, ground: Ground, secrets: Secrets, turn: Turn, wake: Callable[[set[str]], None]
    ) -> None:
        self._ground, self._turn, self._wake = ground, turn, wake
        self._scratch = ground.root / "backups" / ground.fleet / "proof"
        self._containers = ProofContainers(ground.engine.connection)
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        #: When a server's proof may be tried again (monotonic).
        self._later: dict[str, float] = {}
        self._is_swept, self._ending = threading.Event(), threading.Event()
        self._proof = ProofRun(ground, secrets, self._scratch, self._ending, self._ends)

    # --- called by the loop and the workers

    def start(self) -> None:
        """Remove what proofs of an earlier agent left."""
        self._ending.clear()
        self._begin("", self._sweep_all)

    def close(self) -> None:
        """End each proof, and wait until its container is gone."""
        self._ending.set()
        deadline = time.monotonic() + _END_S
        for each in list(self._threads.values()):
            each.join(max(0.0, deadline - time.monotonic()))

    def planned(self, plan: Plan, want: DesiredServer, known: Record, now: datetime) -> Plan:
        """Begin the proof that is due; the plan of the server stays as it is, or says to wait."""
        wanted = proof_rules.due(want, known, now)
        if wanted is None:
            at = proof_rules.due_at(want, known)
            return plan if at is None or plan.steps else _again(plan, at)
        if plan.steps or plan.pending:
            return plan
        plan = replace(plan, pending=wanted.reason is Reason.ASKED)
        if want.id in self._threads:
            return plan
        later_s = self._later.get(want.id, 0.0) - time.monotonic()
        if later_s > 0 or not self._is_swept.is_set():
            return _again(plan, now + timedelta(seconds=max(later_s, 1.0)))
        if not self._turn.take(want.id, proof_rules.NAME_END):
            return _again(plan, now + timedelta(seconds=_TURN_S))
        self._begin(want.id, lambda: self._run(want, wanted))
        return plan

    # --- its threads

    def _begin(self, key: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.pop(key, None)
                if key:
                    self._turn.release(key, proof_rules.NAME_END)
                    self._wake({key})

        with self._lock:
            if key not in self._threads and not self._ending.is_set():
                self._threads[key] = thread = threading.Thread(target=run, daemon=True)
                thread.start()

    def _sweep_all(self) -> None:
        while not self._ending.is_set():
            try:
                self._sweep()
                self._is_swept.set()
                return
            except (ZedopsError, OSError) as error:
                log.info("the rests of earlier proofs stay for now: %s", error)
            self._ending.wait(_SWEEP_S)

    def _sweep(self) -> None:
        """Remove the containers, secrets and copies of all proofs."""
        for each in self._containers.below(self._scratch):
            self._containers.discard(each)
        with suppress(FileNotFoundError, NotADirectoryError):
            for place in self._scratch.iterdir():
                secret_files.forget(self._ground.fleet, holder(place.name))
                removal.remove_tree(self._scratch, place.name)

    def _run(self, want: DesiredServer, wanted: Due) -> None:
        with failpoints.work_on(want.name):
            try:
                self._prove(want, wanted)
                self._later.pop(want.id, None)
            except (*PASSING, OSError) as error:
                self._later[want.id] = time.monotonic() + _LATER_S
                log.info("%s: its proof is tried again later: %s", want.name, error)
            except Exception:
                self._later[want.id] = time.monotonic() + _LATER_S
                log.exception("%s: its proof failed", want.name)

    def _prove(self, want: DesiredServer, wanted: Due) -> None:
        now = datetime.now(UTC)
        if proof_rules.due(want, self._ground.record(want), now) is None:
            return  # it has just ended
        chosen, failure = None, None
        try:
            chosen, failure = self._proof.attempt(want)
        except PASSING:
            raise
        except (ZedopsError, OSError) as error:
            failure = str(error)
        finally:
            self._clear()
        if self._ends(want) is not None:
            return  # it is still due
        failpoints.point("proof.cleared")
        self._note(want, wanted, chosen, failure)

    def _clear(self) -> None:
        try:
            self._sweep()
        except (ZedopsError, OSError) as error:
            log.warning("cannot remove the copy of a proof: %s; trying again", error)
            self._is_swept.clear()
            self._begin("", self._sweep_all)

    def _note(
        self, want: DesiredServer, wanted: Due, chosen: Snapshot | None, failure: str | None
    ) -> None:
        known, now = self._ground.record(want), datetime.now(UTC)
        proved = wanted.token if wanted.reason is Reason.ASKED else known.proved
        facts: dict[str, object] = {"proved": proved, "proof_tried_at": now}
        if failure is None and chosen is not None:
            proof = Proof(at=now, snapshot=chosen.short)
            self._ground.change(want, **facts, proof=proof, proof_trouble=None)
            return
        named = f"snapshot {chosen.short}: " if chosen else ""
        text = f"{named}{failure}"
        log.warning("%s: its proof failed: %s", want.name, text, extra={"server": want.name})
        trouble = trouble_of(known.proof_trouble, text, wanted.token)
        self._ground.change(want, **facts, proof_trouble=trouble)

    def _ends(self, want: DesiredServer) -> str | None:
        return "zedops ends" if self._ending.is_set() else self._ground.ends(want)


def _again(plan: Plan, at: datetime) -> Plan:
    return replace(plan, again_at=min(at, plan.again_at) if plan.again_at else at)
