"""What a container has and no definition can say: privileges, devices, namespaces. Pure.

The rule: a field of the Engine's inspection is either understood here, or has the value that the
Engine gives by itself, or is named. A field that a newer Engine adds is named as soon as it holds
something, so that nothing is taken over that was not understood.
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
    """What an Engine gives a container that asks for nothing."""

    runtime: str = "runc"
    cgroupns: str = "private"  #: `host` with version 1 of cgroups
    limits_swap: bool = True  #: False: the kernel cannot, and the Engine writes -1


#: Said by a definition, and compared there; or zedops' own to set, now or for the next one.
_UNDERSTOOD = {
    "Binds", "Mounts", "PortBindings", "NetworkMode", "CapAdd",  # in a definition
    "Memory", "NanoCpus", "PidsLimit", "RestartPolicy",  # set by zedops while it runs
    "LogConfig", "Init", "Tmpfs", "ExtraHosts", "Dns", "DnsSearch", "Sysctls", "Ulimits",
    "Devices", "DeviceRequests", "CapDrop", "GroupAdd", "ReadonlyRootfs", "ShmSize",  # there, too
    "ConsoleSize", "ContainerIDFile",  # of the client that made it
    "MemorySwap", "SecurityOpt", "MaskedPaths", "ReadonlyPaths", "Runtime", "CgroupnsMode",  # below
}  # fmt: skip
#: What the Engine writes where nothing was asked for, besides nothing at all.
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "IpcMode": ("private", "shareable"), "MemorySwappiness": (-1,),
    "Isolation": ("default",), "VolumeDriver": ("local",),
}  # fmt: skip
#: Of the process: in a definition, of the client that made it, or of no consequence for rights.
_CONFIG_UNDERSTOOD = {
    "Hostname", "User", "Env", "Cmd", "Healthcheck", "Image", "Labels", "Volumes",
    "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "StopSignal", "StopTimeout",
    "ArgsEscaped", "OnBuild", "Tty", "OpenStdin", "StdinOnce", "Entrypoint", "WorkingDir",
}  # fmt: skip
#: Of these the image says what is usual.
_OF_THE_IMAGE = {"Shell"}
#: Lists that every Engine since 20.10 masks or keeps read-only, newer ones more.
_MASKED = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"}
_READ_ONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
#: What people call these fields, where it is not the field's own name in small letters.
_NAMES = {
    "PidMode": "pid", "UTSMode": "uts", "IpcMode": "ipc", "UsernsMode": "userns_mode",
    "ReadonlyRootfs": "read_only", "OpenStdin": "stdin_open", "CgroupnsMode": "cgroup",
    "Domainname": "domainname", "MemorySwap": "memswap_limit", "WorkingDir": "working_dir",
}  # fmt: skip


def unsaid(
    facts: Mapping[str, Any], image_facts: Mapping[str, Any], usual: Usual
) -> tuple[str, ...]:
    """Name all that an inspected container has beyond what a definition can ask for."""
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
    for key in ("Entrypoint", "WorkingDir"):  # another one can be said, but not none at all
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
    """Find options of its own; aliases and fixed addresses can be said."""
    for name, endpoint in sorted(networks.items()):
        others = set(endpoint.get("IPAMConfig") or {}) - {"IPv4Address", "IPv6Address"}
        if endpoint.get("Links") or endpoint.get("DriverOpts") or others:
            yield f"options in network {name}"


def _name(key: str) -> str:
    return _NAMES.get(key) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
