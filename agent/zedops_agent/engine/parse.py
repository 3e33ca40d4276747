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

from zedops.protocol.requests import Mounted, Shape
from zedops.spec import references
from zedops.spec.model import SECRETS_PATH, Health
from zedops.spec.secret_values import is_secret
from zedops_agent.beyond import Usual, unsaid
from zedops_agent.health import within_s
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
from zedops_agent.shown_options import read_options, read_places

#: Labels of other tools' bookkeeping.
_TOOLS = ("com.docker.", "zedops.", "org.opencontainers.", "desktop.docker.", "io.portainer.")
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with, not listened on
#: The Engine's own networks, and the modes of a container without a network of its own.
_PLAIN_NETWORKS = {"default", "bridge"}


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
            _memory(host),
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


def _memory(host: Mapping[str, Any]) -> int:
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


def volume_place(facts: Mapping[str, Any]) -> Path:
    """Give the place of a named volume's files: elsewhere, if it is a bind of a directory."""
    options = facts.get("Options") or {}
    device = options.get("device") or ""
    is_bind = {"bind", "rbind"} & set((options.get("o") or "").split(","))
    return Path(device if is_bind and device.startswith("/") else facts["Mountpoint"])


def usual(info: Mapping[str, Any]) -> Usual:
    """Read an Engine's defaults for a container that asks for nothing (API: SystemInfo)."""
    return Usual(
        info.get("DefaultRuntime") or "runc",
        "private" if info.get("CgroupVersion") == "2" else "host",
        limits_swap=bool(info.get("SwapLimit")),
    )


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


def shape(
    facts: Mapping[str, Any], image_facts: Mapping[str, Any], directories: Mapping[str, bool],
    usual: Usual,
) -> Shape:
    """Translate a container into the terms of a definition, without the defaults of its image.

    `directories` says of each mount's source whether it is a directory. `usual` has the Engine's
    defaults for a container that asks for nothing.
    """
    config, host = facts["Config"], facts["HostConfig"]
    image_config = image_facts.get("Config") or {}
    labels = config.get("Labels") or {}
    return Shape(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        image=config["Image"],
        running=facts["State"]["Running"],
        owner=labels.get(FLEET),
        command=_unless_same(config.get("Cmd"), image_config.get("Cmd")),
        env=_env(config.get("Env"), image_config.get("Env"), labels.get(SECRET_NAMES, "")),
        ports=bindings(facts),
        mounts=tuple(_mounts(facts, directories)),
        user=config.get("User") if config.get("User") != image_config.get("User") else None,
        hostname=_hostname(facts),
        networks=_networks(facts),
        cap_add=tuple(sorted(each.removeprefix("CAP_") for each in host.get("CapAdd") or ())),
        memory_bytes=_memory(host),
        nano_cpus=host.get("NanoCpus") or 0,
        stop_signal=_stop_signal(config, image_config),
        grace_s=float(config["StopTimeout"]) if config.get("StopTimeout") else None,
        health=_health(config.get("Healthcheck"), image_config.get("Healthcheck")),
        labels=_labels(labels, image_config.get("Labels") or {}),
        options=read_options(facts, image_facts),
        attachments=read_places(facts),
        unsaid=unsaid(facts, image_facts, usual),
    )


def _unless_same(value: list[str] | None, default: list[str] | None) -> tuple[str, ...] | None:
    return None if not value or value == default else tuple(value)


def _env(
    entries: list[str] | None, defaults: list[str] | None, declared: str
) -> dict[str, str | None]:
    """Read the variables; leave out a value that is a secret, or looks like one."""
    secret = set(declared.split(","))
    own = [each for each in entries or [] if each not in set(defaults or [])]
    pairs = (each.partition("=") for each in own)
    return {
        key: None if key in secret or is_secret(key, value) else value
        for key, _, value in sorted(pairs)
    }


def _mounts(facts: Mapping[str, Any], directories: Mapping[str, bool]) -> list[Mounted]:
    return [
        Mounted(
            source=each.get("Name") if each["Type"] == "volume" else each["Source"],
            target=each["Destination"],
            read_only=not each.get("RW", True),
            is_directory=directories.get(each.get("Source", ""), True),
        )
        for each in sorted(facts.get("Mounts") or [], key=lambda each: str(each["Destination"]))
        if each["Type"] in ("bind", "volume")
    ]


def _hostname(facts: Mapping[str, Any]) -> str | None:
    """Leave out the name that the Engine gives: the id's beginning, or the host's own."""
    name: str = facts["Config"].get("Hostname") or ""
    own = name and not facts["Id"].startswith(name)
    return name if own and facts["HostConfig"].get("NetworkMode") != "host" else None


def _networks(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """List a container's networks; the first one is its default route (NetworkMode)."""
    mode: str = facts["HostConfig"].get("NetworkMode") or "default"
    if mode in ("host", "none"):
        return ()  # `network_mode` covers these
    first = "bridge" if mode in _PLAIN_NETWORKS else mode
    more = sorted(set(facts["NetworkSettings"].get("Networks") or ()) - {first})
    return () if first == "bridge" and not more else (first, *more)


def _stop_signal(config: Mapping[str, Any], image_config: Mapping[str, Any]) -> str | None:
    signal: str | None = config.get("StopSignal")
    return signal if signal not in (None, "", "SIGTERM", image_config.get("StopSignal")) else None


def _labels(labels: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value for key, value in sorted(labels.items())
        if defaults.get(key) != value and not key.startswith(_TOOLS)
    }


def _health(said: Mapping[str, Any] | None, default: Mapping[str, Any] | None) -> Health | None:
    """Read the container's own health check; the Engine counts in nanoseconds."""
    if not said or said == default or not said.get("Test"):
        return None
    times = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
    found: dict[str, Any] = {
        key: f"{said[name] / 1e9:.3f}s" for key, name in times.items() if said.get(name)
    }
    if said.get("Retries"):
        found["retries"] = said["Retries"]
    return Health(test=said["Test"], **found)
