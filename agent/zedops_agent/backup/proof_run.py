"""Carries out one proof: restores a snapshot beside everything, and starts its server on it."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zedops.errors import EngineFailed, LookOutdated, ZedopsError
from zedops.protocol.sync import DesiredServer
from zedops.spec.model import SecretsAs
from zedops.spec.volume import VolumeKind
from zedops.system import failpoints
from zedops_agent import holdings, secret_files
from zedops_agent.backup import manifest, proof_rules, swap
from zedops_agent.backup.choose import pick
from zedops_agent.backup.ground import Ground
from zedops_agent.backup.making import PASSING
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.backup.snapshot import Snapshot
from zedops_agent.container_runs import hide
from zedops_agent.container_spec import ContainerSecrets
from zedops_agent.observed import Container, Image
from zedops_agent.ready_watch import ReadyWatch
from zedops_agent.secrets import Secrets

#: The time between two looks at a proof's container.
_LOOK_S = 0.5
#: The number of a failed server's last log lines in the message.
_LINES = 3


class ProofRun:
    """Tries snapshots, one at a time; what it makes is for `Proofs` to remove."""

    def __init__(
        self, ground: Ground, secrets: Secrets, scratch: Path, ending: threading.Event,
        ends: Callable[[DesiredServer], str | None],
    ) -> None:
        self._ground, self._secrets, self._scratch = ground, secrets, scratch
        self._ending, self._ends = ending, ends
        self._lines = ReadyWatch(ground.engine.streams.reader, lambda _: None)

    def attempt(self, want: DesiredServer) -> tuple[Snapshot, str | None]:
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
            memory = secret_files.place(self._ground.fleet, holder(want.id), "0" * 16)
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


def holder(server_id: str) -> str:
    """Name the holder of a proof's secrets, so that they end apart from those of the server."""
    return f"{server_id}{proof_rules.NAME_END}"


def _is_plain(place: Path) -> bool:
    with suppress(OSError):
        mode = place.stat().st_mode
        return stat.S_ISDIR(mode) or stat.S_ISREG(mode)
    return False
