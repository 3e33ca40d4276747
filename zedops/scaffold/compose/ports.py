"""A compose file's ports, volumes and devices, in their short and their long form. Pure.

Source: Compose Specification, `ports` and `volumes`; docker/go-connections, `nat.ParsePortSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zedops.scaffold.compose.scalars import as_text

_PROTOCOLS = ("tcp", "udp", "sctp")
_SHORT = re.compile(
    r"(?:(?:(?P<address>\[[0-9a-fA-F:.]*\]|[0-9.]*):)?(?P<outside>\d*(?:-\d+)?):)?"
    r"(?P<inside>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)
_LONG = {"target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"}
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True)
class Port:
    """One port; host 0: the Engine chooses the port."""

    address: str  #: empty: every address
    host: int
    container: int
    protocol: str


def read_ports(values: list[Any]) -> Iterator[Port]:
    """Read a list of ports. ValueError names the port and its fault."""
    for value in values:
        if isinstance(value, dict):
            yield from _long(value)
        else:
            yield from _short(as_text(value))


def _long(value: Mapping[str, Any]) -> Iterator[Port]:
    if unknown := [each for each in value if each not in _LONG and not each.startswith("x-")]:
        raise ValueError(f"ports: {', '.join(unknown)} is not understood")
    if "target" not in value:
        raise ValueError("ports: a port has no target")
    protocol = as_text(value.get("protocol", "")) or "tcp"
    outside = as_text(value.get("published", ""))
    yield from _spread(
        as_text(value.get("host_ip", "")), outside, as_text(value["target"]), protocol
    )


def _short(text: str) -> Iterator[Port]:
    match = _SHORT.fullmatch(text)
    if match is None:
        raise ValueError(f"ports: {text!r} is not understood; write e.g. 8080:80/tcp")
    address = (match["address"] or "").strip("[]")
    yield from _spread(address, match["outside"] or "", match["inside"], match["protocol"] or "tcp")


def _spread(address: str, outside: str, inside: str, protocol: str) -> Iterator[Port]:
    said = f"{outside}:{inside}" if outside else inside
    protocol = protocol.lower()
    if protocol not in _PROTOCOLS:
        raise ValueError(f"ports: {said}/{protocol} is of no protocol that Docker publishes")
    low, high = _range(inside)
    first, last = _range(outside) if outside else (0, 0)
    if first and last - first != high - low:
        fact = f"ports: {said} has two ranges of different lengths"
        remedy = "choose one host port for each port of the container"
        raise ValueError(f"{fact}; {remedy}")
    address = "" if address in _EVERYWHERE else address
    for step in range(high - low + 1):
        yield Port(address, first + step if first else 0, low + step, protocol)


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ValueError(f"ports: {text!r} is no port") from None
    if not (0 <= low <= high <= 65535):
        raise ValueError(f"ports: {text!r} is no port, or no range of ports")
    return low, high


@dataclass(frozen=True)
class Mount:
    """One volume of a service as written, before names are resolved."""

    kind: str  #: volume, bind or tmpfs
    source: str  #: empty: none was named
    target: str
    read_only: bool = False
    subpath: str = ""
    propagation: str = ""
    options: str = ""  #: of a tmpfs
    left: tuple[str, ...] = ()  #: options that no definition has


_MODES = {"ro", "rw", "z", "Z", "nocopy", "cached", "delegated", "consistent"}
_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}
_VOLUME = {
    "": {"type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs"},
    "bind": {"propagation", "create_host_path", "selinux", "recursive"},
    "volume": {"nocopy", "subpath", "labels"},
    "tmpfs": {"size", "mode"},
}


def read_mounts(values: list[Any], true: Any) -> Iterator[Mount]:
    """Read a list of volumes. ValueError names the volume and its fault. `true` reads a boolean."""
    for value in values:
        yield _long_mount(value, true) if isinstance(value, dict) else _short_mount(as_text(value))


def _short_mount(text: str) -> Mount:
    parts = text.split(":")
    if len(parts) == 1:
        return Mount("volume", "", text)
    source, target = parts[0], parts[1]
    if not source or not target or len(parts) > 3:
        raise ValueError(f"volumes: {text!r} has an empty part, or too many")
    modes = parts[2].split(",") if len(parts) == 3 else []
    if unknown := [each for each in modes if each not in _MODES | _PROPAGATIONS]:
        raise ValueError(f"volumes: {text!r}: {unknown[0]!r} is not understood")
    shared = next((each for each in modes if each in _PROPAGATIONS), "")
    # Compose takes a source that begins like a path for a path, any other for a volume's name
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    left = tuple(each for each in modes if each in ("z", "Z", "nocopy"))
    return Mount(kind, source, target, "ro" in modes, propagation=shared, left=left)


def _long_mount(value: Mapping[str, Any], true: Any) -> Mount:
    kind = as_text(value.get("type", "volume"))
    if kind not in ("bind", "volume", "tmpfs"):
        raise ValueError(f"volumes: the type {kind!r} cannot be mounted by zedops")
    for part, known in _VOLUME.items():
        inside = value if not part else value.get(part) or {}
        if not isinstance(inside, dict):
            raise ValueError(f"volumes: {part} is no mapping")
        if unknown := [each for each in inside if each not in known and not each.startswith("x-")]:
            raise ValueError(f"volumes: {unknown[0]} is not understood")
    if not (target := as_text(value.get("target", ""))):
        raise ValueError("volumes: a volume has no target")
    bind, volume, tmpfs = (value.get(each) or {} for each in ("bind", "volume", "tmpfs"))
    options = ",".join(f"{key}={as_text(tmpfs[key])}" for key in ("size", "mode") if key in tmpfs)
    return Mount(
        kind, as_text(value.get("source", "")), target, true(value.get("read_only")),
        as_text(volume.get("subpath", "")), as_text(bind.get("propagation", "")), options,
        (*(key for key in ("selinux", "recursive") if key in bind),
         *(["nocopy"] if true(volume.get("nocopy")) else [])),
    )
