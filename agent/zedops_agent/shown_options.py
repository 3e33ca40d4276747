"""Reads those options of an inspected container that a definition can ask for. Pure.

Source: Docker Engine API v1.41, `ContainerInspect`. The values are a definition's fields as JSON,
without those that have the Engine's or the image's own value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from zedops.spec.container_options import ContainerOptions

_SHM_BYTES = 64 << 20
_NO_NEW_PRIVILEGES = "no-new-privileges"
_PLAIN_LOG: dict[str, dict[str, str]] = {"json-file": {}, "": {}}


def read_options(facts: Mapping[str, Any], image_facts: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields of `ContainerOptions`, except networks and added capabilities."""
    found = _options(facts, image_facts)
    return {key: value for key, value in found.items() if _can_be_said(key, value)}


def odd_options(facts: Mapping[str, Any], image_facts: Mapping[str, Any]) -> list[str]:
    """Name the fields with values that no definition allows, such as a device outside of /dev."""
    found = _options(facts, image_facts)
    return [key for key, value in found.items() if not _can_be_said(key, value)]


def _can_be_said(key: str, value: Any) -> bool:
    try:
        ContainerOptions.model_validate({key: value})
    except ValidationError:
        return False
    return True


def _options(facts: Mapping[str, Any], image_facts: Mapping[str, Any]) -> dict[str, Any]:
    config, host = facts["Config"], facts["HostConfig"]
    found = dict(_of_process(config, image_facts.get("Config") or {}))
    found |= {
        "network_mode": mode if (mode := host.get("NetworkMode")) in ("host", "none") else None,
        "extra_hosts": dict(_host_names(host.get("ExtraHosts") or [])),
        "dns": host.get("Dns"),
        "dns_search": host.get("DnsSearch"),
        "tmpfs": host.get("Tmpfs"),
        "shm_size": _shm(host.get("ShmSize")),
        "ulimits": {each["Name"]: {"soft": each["Soft"], "hard": each["Hard"]}
                    for each in host.get("Ulimits") or []},
        "sysctls": host.get("Sysctls"),
        "devices": [_device(each) for each in host.get("Devices") or []],
        "gpus": _gpus(host.get("DeviceRequests") or []),
        "cap_drop": sorted(each.removeprefix("CAP_") for each in host.get("CapDrop") or []),
        "group_add": host.get("GroupAdd"),
        "read_only": host.get("ReadonlyRootfs"),
        "security_opt": [each for each in host.get("SecurityOpt") or []
                         if not each.startswith(_NO_NEW_PRIVILEGES)],
        "logging": _logging(host.get("LogConfig") or {}),
    }
    return {key: value for key, value in found.items() if value}


def _of_process(
    config: Mapping[str, Any], image_config: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for key, name in (("entrypoint", "Entrypoint"), ("working_dir", "WorkingDir")):
        value = config.get(name)
        if value and value != image_config.get(name):
            yield key, value
    yield "tty", config.get("Tty")
    yield "stdin_open", config.get("OpenStdin")


def _host_names(entries: list[str]) -> Iterator[tuple[str, str]]:
    for each in entries:
        name, _, address = each.partition(":")
        yield name, address


def _shm(size_bytes: int | None) -> str | None:
    return f"{size_bytes}b" if size_bytes and size_bytes != _SHM_BYTES else None


def _device(said: Mapping[str, Any]) -> str:
    outside, inside = said["PathOnHost"], said.get("PathInContainer") or said["PathOnHost"]
    rights = said.get("CgroupPermissions") or "rwm"
    if rights != "rwm":
        return f"{outside}:{inside}:{rights}"
    return outside if inside == outside else f"{outside}:{inside}"


def _gpus(requests: list[Mapping[str, Any]]) -> Any:
    for each in requests:
        if ["gpu"] in (each.get("Capabilities") or []):
            if each.get("DeviceIDs"):
                return each["DeviceIDs"]
            count = each.get("Count", 0)
            return "all" if count == -1 else count
    return None


def understood_requests(requests: list[Mapping[str, Any]]) -> bool:
    """Say whether a container has one request for GPUs, and no other request."""
    if len(requests) > 1:
        return False
    return all(
        each.get("Capabilities") == [["gpu"]] and each.get("Driver") in (None, "", "nvidia")
        and not each.get("Options") for each in requests
    )


def _logging(said: Mapping[str, Any]) -> dict[str, Any] | None:
    driver, options = said.get("Type") or "", said.get("Config") or {}
    if _PLAIN_LOG.get(driver) == options:
        return None
    return {"driver": driver, **({"options": options} if options else {})}


def read_places(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read a container's aliases and fixed addresses in each of its networks."""
    name = facts["Name"].removeprefix("/")
    found = {}
    for network, endpoint in sorted((facts["NetworkSettings"].get("Networks") or {}).items()):
        fixed = endpoint.get("IPAMConfig") or {}
        own = {name, facts["Id"][:12]}
        parts = {
            "aliases": [each for each in endpoint.get("Aliases") or [] if each not in own],
            "ipv4_address": fixed.get("IPv4Address"),
            "ipv6_address": fixed.get("IPv6Address"),
        }
        if parts := {key: value for key, value in parts.items() if value}:
            found[network] = parts
    return found

