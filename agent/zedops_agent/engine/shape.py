"""Reads a container into the terms of a definition, for adoption and import (JSON). Pure.

It leaves out what the image gives by itself, and every value that is or looks like a secret.
Source: Docker Engine API v1.41, `ContainerInspect`, `ImageInspect`, `SystemInfo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zedops.protocol.requests import Mounted, Shape
from zedops.spec.model import Health
from zedops.spec.secret_values import is_secret
from zedops_agent.beyond import Usual, unsaid
from zedops_agent.engine.parse import bindings, memory_limit
from zedops_agent.observed import FLEET, SECRET_NAMES
from zedops_agent.shown_options import read_options, read_places

#: Labels of other tools' bookkeeping.
_TOOLS = ("com.docker.", "zedops.", "org.opencontainers.", "desktop.docker.", "io.portainer.")
#: The Engine's own networks, and the modes of a container without a network of its own.
_PLAIN_NETWORKS = {"default", "bridge"}


def read_usual(info: Mapping[str, Any]) -> Usual:
    """Read an Engine's defaults for a container that asks for nothing (API: SystemInfo)."""
    return Usual(
        info.get("DefaultRuntime") or "runc",
        "private" if info.get("CgroupVersion") == "2" else "host",
        limits_swap=bool(info.get("SwapLimit")),
    )


def read_shape(
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
        memory_bytes=memory_limit(host),
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
