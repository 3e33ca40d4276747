"""Proves snapshots: restores the newest one beside everything, and starts the server on it.

A proof runs in a thread of its own, so that healing of the server goes on. It has the host's turn
for work on worlds, and touches neither the world nor its container. Its container and its copy are
removed in every case: at its end, or by the sweep of the next agent. A proof that was cut off is
still due, so it begins again.
"""

from __future__ import annotations

import json
import logging
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zedops.errors import EngineFailed, LookOutdated, ZedopsError
from zedops.protocol.sync import DesiredServer
from zedops.spec.model import SecretsAs
from zedops.spec.volume import VolumeKind
from zedops.system import failpoints
from zedops_agent import holdings, removal, secret_files
from zedops_agent.backup import manifest, proof_rules, swap
from zedops_agent.backup.choose import pick
from zedops_agent.backup.due import Due
from zedops_agent.backup.ground import Ground, trouble_of
from zedops_agent.backup.making import PASSING
from zedops_agent.backup.record import Proof, Reason, Record
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.backup.turn import Turn
from zedops_agent.container_runs import hide
from zedops_agent.container_spec import ContainerSecrets
from zedops_agent.engine.proof_containers import ProofContainers
from zedops_agent.observed import Container, Image
from zedops_agent.ready_watch import ReadyWatch
from zedops_agent.secrets import Secrets
from zedops_agent.steps import Plan

log = logging.getLogger(__name__)

#: The time between two looks at a proof's container, and at a sweep that failed.
_LOOK_S, _SWEEP_S = 0.5, 5.0
#: The time until a proof that could not even be tried is tried again, or asks for the turn.
_LATER_S, _TURN_S = 300.0, 60.0
#: The time that the end of an agent gives a proof to remove its container.
_END_S = 10.0
#: The number of a failed server's last log lines in the message.
_LINES = 3


class Proofs:
    """The proofs of one fleet's snapshots on this host."""

    def __init__(
        self, ground: Ground, secrets: Secrets, turn: Turn, wake: Callable[[set[str]], None]
    ) -> None:
        self._ground, self._secrets, self._turn, self._wake = ground, secrets, turn, wake
        self._scratch = ground.root / "backups" / ground.fleet / "proof"
        self._containers = ProofContainers(ground.engine.connection)
        self._lines = ReadyWatch(ground.engine.streams.reader, lambda _: None)
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        #: When a server's proof may be tried again (monotonic).
        self._later: dict[str, float] = {}
        self._is_swept, self._ending = threading.Event(), threading.Event()

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
                secret_files.forget(self._ground.fleet, _holder(place.name))
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
            chosen, failure = self._try(want)
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

    # --- one proof

    def _ends(self, want: DesiredServer) -> str | None:
        return "zedops ends" if self._ending.is_set() else self._ground.ends(want)

    def _try(self, want: DesiredServer) -> tuple[Snapshot, str | None]:
        """Restore the newest snapshot and start it; returns why it failed, if it did."""
        if (forbidden := self._ground.lookout.forbidden(want)) is not None:
            raise ResticFailed(forbidden)
        opened = self._ground.open(want)
        chosen = pick(opened.snapshots(f"server={want.id}"), "latest", want.name)
        try:
            image, handed = self._image(want), self._secrets.read_values(want)
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            size = chosen.size_bytes
            swap.check_room(self._scratch, opened.size(chosen.id)[0] if size is None else size)
            target = self._scratch / want.id
            target.mkdir(mode=0o700)
            failpoints.point("proof.begun")
            opened.restore(chosen.id, target, ())
            failpoints.point("proof.fetched")
            if (less := self._compare(want, chosen, target)) is not None:
                return chosen, less
            return chosen, self._boot(want, image, handed, self._sources(want, chosen, target))
        except PASSING:
            raise
        except (ZedopsError, OSError) as error:
            return chosen, str(error)

    def _image(self, want: DesiredServer) -> Image:
        """Find the image of the server: that of its container, if it has one."""
        engine, images = self._ground.engine, self._ground.engine.images
        listed = engine.lists.of_server(self._ground.fleet, want.id)
        mine = sorted(engine.inspector.inspect(listed), key=lambda each: each.up, reverse=True)
        for reference in (*(each.image for each in mine), want.definition.image):
            if (found := images.find(reference)) is not None:
                return found
        raise EngineFailed(f"image {want.definition.image} is not on this host")

    def _compare(self, want: DesiredServer, chosen: Snapshot, target: Path) -> str | None:
        last = self._ground.record(want).last
        size, count = chosen.size_bytes, chosen.files
        if (size is None or count is None) and last and last.snapshot == chosen.short:
            size, count = last.size_bytes, last.files
        found = holdings.measure(want.id, "", target)
        if size is None or count is None or found.size_bytes is None or found.files is None:
            return None
        return proof_rules.shrunk((size, count), (found.size_bytes, found.files))

    def _sources(self, want: DesiredServer, chosen: Snapshot, target: Path) -> dict[str, str]:
        """Say where the volumes are: data in the copy, the others read-only in their places."""
        about = next((each for each in chosen.paths if each.endswith(f"/{manifest.NAME}")), None)
        if about is None:
            raise ResticFailed("it was not made by zedops")
        try:
            there = manifest.places(json.loads((target / about.lstrip("/")).read_bytes()))
        except ValueError as error:
            raise ResticFailed(str(error)) from error
        found = {}
        for key, place in self._ground.lookout.places.resolved(want).items():
            if want.definition.volumes[key].kind is VolumeKind.DATA:
                copy = target / there[key].lstrip("/") if key in there else target / f"={key}"
                if key not in there:
                    copy.mkdir()
                    copy.chmod(0o777)  # the directory above is for root only
                found[key] = str(copy)
            elif proof_rules.is_inert(place) and _is_plain(Path(place)):
                found[key] = place
        return found

    def _boot(
        self, want: DesiredServer, image: Image, handed: dict[str, str], sources: dict[str, str]
    ) -> str | None:
        engine, as_files = self._ground.engine, want.definition.secrets_as is SecretsAs.FILES
        place = ""
        if as_files and handed:
            memory = secret_files.place(self._ground.fleet, _holder(want.id), "0" * 16)
            secret_files.prepare(memory)
            place = str(memory)
        secrets = ContainerSecrets(handed, place=place)
        config, host = proof_rules.arguments(
            self._ground.fleet, want, image, sources, secrets, str(self._scratch)
        )
        made: list[str] = []
        engine.containers.create(config, host, {}, made.append)
        failpoints.point("proof.created")
        if place:
            secret_files.fill(Path(place), handed, engine.inspector.user(made[0]))
        engine.containers.start(made[0])
        failpoints.point("proof.started")
        verdict = self._watch(want, made[0])
        failpoints.point("proof.judged")
        if verdict.failure is None:
            return None
        said = ""
        with suppress(EngineFailed):
            said = hide(handed.values(), engine.streams.last_lines(made[0], _LINES))
        return f"{verdict.failure}; its last lines: {said or 'none'}"

    def _watch(self, want: DesiredServer, container: str) -> proof_rules.Verdict:
        begun, ready = time.monotonic(), want.definition.ready
        try:
            while True:
                if (why := self._ends(want)) is not None:
                    raise LookOutdated(why)
                found = self._look(want, container)
                verdict = proof_rules.judge(found, time.monotonic() - begun, ready)
                if verdict is not None:
                    return verdict
                self._ending.wait(_LOOK_S)
        finally:
            self._lines.forget(want.id)

    def _look(self, want: DesiredServer, container: str) -> Container | None:
        found = next(iter(self._ground.engine.inspector.inspect([container])), None)
        if found is None:
            return None
        return replace(found, log_line=self._lines.line_of(want, found, ""))


def _again(plan: Plan, at: datetime) -> Plan:
    return replace(plan, again_at=min(at, plan.again_at) if plan.again_at else at)


def _holder(server_id: str) -> str:
    """Name the holder of a proof's secrets, so that they end apart from those of the server."""
    return f"{server_id}{proof_rules.NAME_END}"


def _is_plain(place: Path) -> bool:
    with suppress(OSError):
        mode = place.stat().st_mode
        return stat.S_ISDIR(mode) or stat.S_ISREG(mode)
    return False
