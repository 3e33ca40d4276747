"""Decides when a snapshot is proven, how its container looks, and what its run means. Pure.

A proof starts the image of a server on a restored copy of its world. Its container has no network,
no port and none of the labels by which zedops finds a server's containers. Everything but the copy
is read-only, so neither the world nor another container can notice it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from zedops.protocol.sync import DesiredServer
from zedops.spec.container_options import NetworkMode
from zedops.spec.model import Definition
from zedops.spec.readiness import Ready
from zedops.spec.volume import VolumeKind
from zedops_agent.backup.due import EVER, Due, settings, wait_s
from zedops_agent.backup.record import Reason, Record
from zedops_agent.container_spec import RESTARTED_BY_AGENT, ContainerSecrets, create_arguments
from zedops_agent.memory import PROVEN_S, Memory
from zedops_agent.observed import PROOF, Container, HealthStatus, Image, LogLine
from zedops_agent.readiness import checks

#: The end of the name of a proof's container; no server's name has a dot.
NAME_END = ".proof"
#: Directories of the host whose sockets would let a proof reach other programs.
_LIVE = ("/run", "/var/run", "/proc", "/sys", "/dev")


@dataclass(frozen=True)
class Verdict:
    """The result of a proof; without a failure the snapshot is proven."""

    failure: str | None = None


def due(want: DesiredServer, record: Record, now: datetime) -> Due | None:
    """Say which proof has to begin now, if any."""
    if want.goal.ends:
        return None
    token = want.definition.world.prove if want.definition.world else None
    if token is not None and token != record.proved:
        return Due(token, Reason.ASKED)
    at = due_at(want, record)
    if at is not None and now >= at:
        return Due(f"schedule {now:%Y-%m-%dT%H:%M:%SZ}", Reason.SCHEDULE)
    return None


def due_at(want: DesiredServer, record: Record) -> datetime | None:
    """Compute when `prove` asks for the next proof; None without it, or without a snapshot."""
    every = settings(want).prove
    if every is None or record.last is None or want.goal.ends:
        return None
    if record.proof_tried_at is None:
        return EVER
    if record.proof_trouble is not None:
        every = min(every, wait_s(record.proof_trouble.attempts))
    return record.proof_tried_at + timedelta(seconds=every)


def judge(found: Container | None, ran_s: float, ready: Ready | None = None) -> Verdict | None:
    """Judge a proof's container, `ran_s` after its start; None: it needs more time."""
    if found is None:
        return Verdict("its container was removed by another program")
    if not found.running:
        memory = ", out of memory" if found.oom_killed else ""
        code = "" if found.exit_code is None else f" with exit code {found.exit_code}"
        return Verdict(f"the server ended{code}{memory} after {ran_s:.0f} s")
    waiting = [each for each in checks(ready, Memory(), found) if not each.passed]
    for each in waiting:
        if each.failed is not None:
            return Verdict(f"the server runs, and {each.failed}")
        if ran_s >= each.within_s:
            return Verdict(each.late)
    if waiting:
        return None
    shown = found.health is HealthStatus.HEALTHY or found.log_line is LogLine.SHOWN
    return Verdict() if shown or ran_s >= PROVEN_S else None


def shrunk(wanted: tuple[int, int], restored: tuple[int, int]) -> str | None:
    """Compare bytes and files of a snapshot with those restored; None: all are there."""
    if restored[0] >= wanted[0] and restored[1] >= wanted[1]:
        return None
    sizes = f"{restored[0]} of {wanted[0]} bytes, {restored[1]} of {wanted[1]} files"
    return f"the restored world is not whole: {sizes}"


def arguments(
    fleet: str, want: DesiredServer, image: Image, sources: Mapping[str, str],
    secrets: ContainerSecrets, label: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make (config, host config) for a proof's container; `sources` has no place to leave out."""
    definition = confined(want.definition, sources)
    config, host, _ = create_arguments(
        fleet, want.model_copy(update={"definition": definition}),
        f"{fleet}-{want.name}{NAME_END}", sources, replace(image, made_by_id=True), secrets,
        restart_policy=RESTARTED_BY_AGENT,
    )
    labels = {**dict.fromkeys(image.labels, ""), PROOF: label}
    return {**config, "labels": labels}, host


def confined(definition: Definition, kept: Iterable[str]) -> Definition:
    """Take from a definition all that reaches beyond the container, apart from the volumes kept."""
    volumes = {
        key: definition.volumes[key].model_copy(update={
            "source": None, "subpath": None, "propagation": None, "driver": None,
            "driver_opts": {},
            "read_only": definition.volumes[key].read_only
            or definition.volumes[key].kind is not VolumeKind.DATA,
        })
        for key in kept
    }
    return definition.model_copy(update={
        "volumes": volumes, "ports": {}, "networks": (), "network_mode": NetworkMode.NONE,
        "dns": (), "dns_search": (), "extra_hosts": {}, "labels": {}, "logging": None,
    })


def is_inert(place: str) -> bool:
    """Say whether a place of the host holds no running program's sockets or devices."""
    return not any(f"{place}/".startswith(f"{each}/") for each in _LIVE) and place != "/"
