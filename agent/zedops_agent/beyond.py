"""Names properties of a container beyond every definition: privileges, devices, namespaces. Pure.

The rule: this module understands a field of the Engine's inspection, or the field has the Engine's
own default, or this module names it. It names a new field of a newer Engine as soon as that holds a
value, so that an adoption never takes over a property that zedops does not understand.
Sources: Docker Engine API v1.41 to v1.47, `ContainerInspect`, `HostConfig`, `ContainerConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zedops_agent.shown_options import odd_options, understood_requests


@dataclass(frozen=True)
class Usual:
    """An Engine's defaults for a container that asks for nothing."""

    runtime: str = "runc"
    cgroupns: str = "private"  #: `host` with version 1 of cgroups
    limits_swap: bool = True  #: False: the kernel cannot, and the Engine writes -1


#: Fields that a definition can ask for, and that `adoption` compares; or zedops sets them itself.
_UNDERSTOOD = {
    "Binds", "Mounts", "PortBindings", "NetworkMode", "CapAdd",  # in a definition
    "Memory", "NanoCpus", "PidsLimit", "RestartPolicy",  # set by zedops while it runs
    "LogConfig", "Init", "Tmpfs", "ExtraHosts", "Dns", "DnsSearch", "Sysctls", "Ulimits",
    "Devices", "DeviceRequests", "CapDrop", "GroupAdd", "ReadonlyRootfs", "ShmSize",  # there, too
    "ConsoleSize", "ContainerIDFile",  # of the client that made it
    "MemorySwap", "SecurityOpt", "MaskedPaths", "ReadonlyPaths", "Runtime", "CgroupnsMode",  # below
}  # fmt: skip
#: The Engine's own values of a field for which the client gave none, besides an empty one.
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "IpcMode": ("private", "shareable"), "MemorySwappiness": (-1,),
    "Isolation": ("default",), "VolumeDriver": ("local",),
}  # fmt: skip
#: Fields of the process: in a definition, of the client that made it, or irrelevant for rights.
_CONFIG_UNDERSTOOD = {
    "Hostname", "User", "Env", "Cmd", "Healthcheck", "Image", "Labels", "Volumes",
    "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "StopSignal", "StopTimeout",
    "ArgsEscaped", "OnBuild", "Tty", "OpenStdin", "StdinOnce", "Entrypoint", "WorkingDir",
}  # fmt: skip
#: The image gives the usual values of these.
_OF_THE_IMAGE = {"Shell"}
#: Paths that every Engine since 20.10 masks or keeps read-only; newer Engines add more.
_MASKED = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"}
_READ_ONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
#: People's names of these fields; the others use the field's own name in small letters.
_NAMES = {
    "PidMode": "pid", "UTSMode": "uts", "IpcMode": "ipc", "UsernsMode": "userns_mode",
    "ReadonlyRootfs": "read_only", "OpenStdin": "stdin_open", "CgroupnsMode": "cgroup",
    "Domainname": "domainname", "MemorySwap": "memswap_limit", "WorkingDir": "working_dir",
}  # fmt: skip


def unsaid(
    facts: Mapping[str, Any], image_facts: Mapping[str, Any], usual: Usual
) -> tuple[str, ...]:
    """Name all properties of an inspected container that no definition can ask for."""
    host, config = facts["HostConfig"], facts["Config"]
    found = [*_of_host(host, usual), *_of_config(config, image_facts.get("Config") or {})]
    found += _of_mounts(facts.get("Mounts") or [], host.get("Mounts") or [])
    found += odd_options(facts, image_facts)
    found += _of_networks(facts["NetworkSettings"].get("Networks") or {})
    if facts.get("AppArmorProfile") not in (None, "", "docker-default"):
        found.append("apparmor")
    return tuple(dict.fromkeys(found))


def _of_host(host: Mapping[str, Any], usual: Usual) -> Iterator[str]:
    for key, value in sorted(host.items()):
        if value and key not in _UNDERSTOOD and value not in _DEFAULTS.get(key, ()):
            yield _name(key)
    if not understood_requests(host.get("DeviceRequests") or []):
        yield "device_requests"
    if not set(host.get("MaskedPaths") or ()) >= _MASKED:
        yield "masked_paths"
    if not set(host.get("ReadonlyPaths") or ()) >= _READ_ONLY:
        yield "readonly_paths"
    if host.get("Runtime") not in (None, "", usual.runtime):
        yield "runtime"
    if host.get("CgroupnsMode") not in (None, "", "private", usual.cgroupns):
        yield _name("CgroupnsMode")
    least = 0 if usual.limits_swap else -1
    if not least <= (host.get("MemorySwap") or 0) <= 2 * (host.get("Memory") or 0):
        yield _name("MemorySwap")


def _of_config(config: Mapping[str, Any], image_config: Mapping[str, Any]) -> Iterator[str]:
    for key in ("Entrypoint", "WorkingDir"):  # a definition can name another one, but not none
        if image_config.get(key) and not config.get(key):
            yield _name(key)
    for key, value in sorted(config.items()):
        if key in _OF_THE_IMAGE:
            if (value or None) != (image_config.get(key) or None):
                yield _name(key)
        elif value and key not in _CONFIG_UNDERSTOOD:
            yield _name(key)


def _of_mounts(mounts: list[Any], asked: list[Any]) -> Iterator[str]:
    for each in mounts:
        if each["Type"] not in ("bind", "volume"):
            yield f"a {each['Type']} at {each['Destination']}"
        if each.get("Propagation") not in (None, "", "rprivate", "private"):
            yield f"propagation of {each['Destination']}"
        if each["Type"] == "volume" and each.get("Driver") not in (None, "", "local"):
            yield f"a volume driver at {each['Destination']}"
    for each in asked:
        options = (each.get("BindOptions") or {}) | (each.get("VolumeOptions") or {})
        for key, value in options.items():
            if value and key not in ("Propagation", "CreateMountpoint", "NoCopy", "Labels"):
                yield f"{_name(key)} of {each['Target']}"


def _of_networks(networks: Mapping[str, Any]) -> Iterator[str]:
    """Find a network's driver options; a definition can ask for aliases and fixed addresses."""
    for name, endpoint in sorted(networks.items()):
        others = set(endpoint.get("IPAMConfig") or {}) - {"IPv4Address", "IPv6Address"}
        if endpoint.get("Links") or endpoint.get("DriverOpts") or others:
            yield f"options in network {name}"


def _name(key: str) -> str:
    return _NAMES.get(key) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
