"""Translates a definition's container options into the Engine's arguments. Pure.

Sources: Docker Engine API v1.41, `ContainerCreate` (HostConfig, EndpointSettings); docker-py's
arguments of the same. This leaves out each field that a definition does not set, so that earlier
containers stay unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zedops.spec.container_options import Attachment, ContainerOptions
from zedops.spec.model import Definition, Profile

#: The default log of every container: a server with much output must not fill the disk.
_LOGGING = {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}}
_NO_NEW_PRIVILEGES = "no-new-privileges"
#: The Engine's own networks have no name resolution.
_NAMELESS = {"bridge", "default", "host", "none"}


def config_arguments(options: ContainerOptions) -> dict[str, Any]:
    """Make docker-py's arguments for the process: command, working directory, terminal."""
    found: dict[str, Any] = {
        "entrypoint": list(options.entrypoint) if options.entrypoint else None,
        "working_dir": options.working_dir,
        "tty": options.tty,
        "stdin_open": options.stdin_open,
        "platform": options.platform,
    }
    return {key: value for key, value in found.items() if value}


def host_arguments(definition: Definition) -> dict[str, Any]:
    """Make docker-py's arguments for the host's side: rights, devices, names, log."""
    logging = definition.logging
    found: dict[str, Any] = {
        "cap_add": list(definition.cap_add),
        "devices": list(definition.devices),
        "device_requests": _gpus(definition),
        "dns": list(definition.dns),
        "dns_search": list(definition.dns_search),
        "extra_hosts": dict(definition.extra_hosts),
        "group_add": list(definition.group_add),
        "shm_size": definition.shm_size,
        "sysctls": dict(definition.sysctls),
        "ulimits": [
            {"Name": name, "Soft": each.soft, "Hard": each.hard}
            for name, each in definition.ulimits.items()
        ],
        **_lockdown(definition),
    }
    said = {"type": logging.driver, "config": dict(logging.options)} if logging else _LOGGING
    return {**{key: value for key, value in found.items() if value}, "log_config": said}


def _lockdown(definition: Definition) -> dict[str, Any]:
    """Keep a container from gaining rights; `hardened` also from writing outside its volumes."""
    hardened = definition.profile is Profile.HARDENED
    tmpfs = {"/tmp": "", "/run": ""} if hardened else {}  # noqa: S108 - inside the container
    said = {each.replace("=", ":", 1).removesuffix(":true") for each in definition.security_opt}
    free = f"{_NO_NEW_PRIVILEGES}:false" in said
    own = [each for each in definition.security_opt if _NO_NEW_PRIVILEGES not in each]
    return {
        "security_opt": own if free else [_NO_NEW_PRIVILEGES, *own],
        "cap_drop": ["ALL"] if hardened else list(definition.cap_drop),
        "read_only": hardened or definition.read_only,
        "tmpfs": {**tmpfs, **definition.tmpfs},
    }


def _gpus(options: ContainerOptions) -> list[dict[str, Any]]:
    """Ask for GPUs as `docker run --gpus` does (API: DeviceRequest)."""
    match options.gpus:
        case None:
            return []
        case "all":
            asked: dict[str, Any] = {"Count": -1}
        case int(count):
            asked = {"Count": count}
        case ids:
            asked = {"DeviceIDs": list(ids)}
    return [{"Driver": "", "Capabilities": [["gpu"]], "Options": {}, **asked}]


def network_mode(definition: Definition) -> str | None:
    """Give the mode of a container's first network; None: the Engine's own default."""
    if definition.network_mode is not None:
        return definition.network_mode.value
    return next(iter(definition.network_names), None)


def attachments(definition: Definition, name: str) -> dict[str, dict[str, Any]]:
    """Make a server's endpoint in each of its networks, by docker-py's names.

    Each network resolves the server's name, so that servers of one network find each other. The
    Engine's own networks have no name resolution.
    """
    networks = definition.networks
    places: Mapping[str, Attachment] = (
        networks if isinstance(networks, dict) else dict.fromkeys(networks, Attachment())
    )
    return {
        network: {} if network in _NAMELESS or ":" in network else _endpoint(each, name)
        for network, each in places.items()
    }


def _endpoint(place: Attachment, name: str) -> dict[str, Any]:
    aliases = list(dict.fromkeys([name, *place.aliases]))
    found = {"aliases": aliases, "ipv4_address": place.ipv4_address,
             "ipv6_address": place.ipv6_address}
    return {key: value for key, value in found.items() if value}
