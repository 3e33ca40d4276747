"""Reads the Engine's facts about containers, images and ports (JSON) into our models. Pure.

Sources: Docker Engine API v1.41, `ContainerInspect`, `ContainerList`, `ImageInspect`. A stopped
container shows its ports in `HostConfig.PortBindings` alone. The top-level `Mounts` lists all
mounts, by any option.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from zedops.spec import references
from zedops.spec.model import SECRETS_PATH
from zedops.spec.volume_drivers import Driven
from zedops_agent.health import within_s
from zedops_agent.named_volumes import NamedVolume
from zedops_agent.observed import (
    DEFINITION,
    FLEET,
    LIFTED,
    REBUILD,
    SECRET_NAMES,
    SECRETS,
    Binding,
    Ceilings,
    Container,
    HealthStatus,
    Image,
    Network,
    Phase,
)

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not listened on


def container(facts: Mapping[str, Any]) -> Container:
    """Read one inspected container."""
    labels, state, host = facts["Config"]["Labels"] or {}, facts["State"], facts["HostConfig"]
    return Container(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        phase=Phase(state["Status"]),
        definition=labels.get(DEFINITION, ""),
        rebuild=labels.get(REBUILD, ""),
        secrets=labels.get(SECRETS, ""),
        secrets_at=_secrets_at(facts) if labels.get(SECRET_NAMES) else "",
        image=facts["Image"],
        started_at=time(state["StartedAt"]),
        finished_at=time(state["FinishedAt"]),
        exit_code=None if state["Status"] in ("created", "running") else state["ExitCode"],
        oom_killed=state["OOMKilled"],
        restart_count=facts["RestartCount"],
        error=state["Error"],
        ceilings=Ceilings(
            memory_limit(host),
            host.get("NanoCpus") or 0,
            host.get("PidsLimit") or 0,
            host["RestartPolicy"]["Name"],
        ),
        bound=frozenset(_bindings(facts["NetworkSettings"].get("Ports"))),
        mounts=tuple(
            (each["Destination"], each.get("Source", "")) for each in facts.get("Mounts") or []
        ),
        pid=state.get("Pid") or 0,
        networks=frozenset(
            (name, (each or {}).get("NetworkID") or "")
            for name, each in (facts["NetworkSettings"].get("Networks") or {}).items()
        ),
        health=health_status(state),
        health_within_s=within_s((facts.get("Config") or {}).get("Healthcheck") or {}),
    )


def health_status(state: Mapping[str, Any]) -> HealthStatus:
    """Read the status of a health check; one that nothing here knows counts as none."""
    said = (state.get("Health") or {}).get("Status")
    return HealthStatus(said) if said in set(HealthStatus) else HealthStatus.NONE


def memory_limit(host: Mapping[str, Any]) -> int:
    """Read a container's memory limit; 0 without one, also if zedops has lifted it."""
    limit: int = host.get("Memory") or 0
    return 0 if limit >= LIFTED else limit


def _secrets_at(facts: Mapping[str, Any]) -> str:
    mounts = facts.get("Mounts") or []
    places = [each["Source"] for each in mounts if each["Destination"] == SECRETS_PATH]
    return str(places[0]) if places else ""


def image(facts: Mapping[str, Any]) -> Image:
    """Read one inspected image."""
    config = facts.get("Config") or {}
    entrypoint, volumes = config.get("Entrypoint") or (), config.get("Volumes") or ()
    return Image(
        facts["Id"], config.get("User") or "", tuple(entrypoint), tuple(sorted(volumes)),
        tuple(sorted(config.get("Labels") or ())), unpublished=not facts.get("RepoDigests"),
    )


def is_called(facts: Mapping[str, Any], reference: str) -> bool:
    """Say whether an inspected image has exactly this name, or this whole id."""
    if references.is_id(reference):
        return bool(facts["Id"].removeprefix("sha256:") == reference.removeprefix("sha256:"))
    names = [*(facts.get("RepoTags") or ()), *(facts.get("RepoDigests") or ())]
    return references.is_among(reference, names)


def network(facts: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> Network:
    """Read one inspected network, and the list of the containers in it."""
    labels = facts.get("Labels") or {}
    owner = labels.get(FLEET) or labels.get("com.docker.compose.project", "")
    members = {(each["Id"], (each.get("Labels") or {}).get(FLEET, "")) for each in containers}
    return Network(facts["Name"], facts["Driver"], owner, frozenset(members))


def volume(facts: Mapping[str, Any]) -> NamedVolume:
    """Read one inspected named volume."""
    driven = Driven(facts["Driver"], facts.get("Options") or {})
    return NamedVolume(facts["Name"], driven, Path(facts["Mountpoint"]), facts.get("Labels") or {})


def time(text: str) -> datetime | None:
    """Read the Engine's RFC 3339 time with nanoseconds; year 1 means never."""
    if text.startswith("0001"):
        return None
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{(fraction or '0')[:6]:0<6}+00:00")


def bindings(facts: Mapping[str, Any]) -> tuple[Binding, ...]:
    """Read a container's host ports, running or not. 0: the Engine chooses."""
    return tuple(sorted(_bindings(facts["HostConfig"].get("PortBindings"))))


def _bindings(ports: Mapping[str, Any] | None) -> Iterator[Binding]:
    for inside, places in (ports or {}).items():
        number, _, protocol = inside.partition("/")
        for place in places or []:
            host = int(place.get("HostPort") or 0)
            address = place.get("HostIp") or ""
            address = "" if address == _EVERYWHERE else address
            yield address, host, int(number), protocol or "tcp"
