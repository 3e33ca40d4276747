"""Turns a container's shape into the definition that asks for exactly that container. Pure.

The written text parses to the fields of that container, so the agent can take it over as it is.
Notes list settings that no definition supports, and variables that look like secrets: the values of
secrets never get into a repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zedops.protocol.requests import Mounted, Shape
from zedops.spec.definition_text import render
from zedops.spec.quantities import exact
from zedops.spec.references import is_id

_LOOPBACK = "127.0.0.1"
_TAKEN_OVER = "taken over as it is; changes below recreate it"


@dataclass(frozen=True)
class Draft:
    """The text of a definition, and warnings to read before its use."""

    text: str
    warnings: tuple[str, ...]


def server_name(text: str) -> str:
    """Derive a server's name from a container's."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63] or "server"


def write_draft(shape: Shape, *, host: str | None = None, adopt: str | None = None) -> Draft:
    """Write a definition. `adopt` names the container to take over."""
    fields, notes = read_fields(shape)
    first = {"host": host} if host else {}
    taken = {"adopt": adopt} if adopt else {}
    comments = {"adopt": _TAKEN_OVER}
    return Draft(render({**first, **taken, **fields}, notes, comments), tuple(notes))


def read_fields(shape: Shape) -> tuple[dict[str, Any], list[str]]:
    """Turn a container into the fields of a definition, and notes for the person."""
    notes: list[str] = []
    found: dict[str, Any] = {
        "image": shape.image,
        "command": list(shape.command) if shape.command is not None else None,
        "ports": _ports(shape, notes),
        "env": {key: value for key, value in shape.env.items() if value is not None},
        "secrets": [key for key, value in shape.env.items() if value is None],
        "volumes": _volumes(shape),
        "limits": _limits(shape),
        "stop": _stop(shape),
        "health": _health(shape),
        "user": shape.user,
        "hostname": shape.hostname,
        "networks": _networks(shape),
        "cap_add": list(shape.cap_add),
        "labels": dict(shape.labels),
        **shape.options,
    }
    if found["secrets"]:
        names = ", ".join(found["secrets"])
        notes.append(f"{names}: looks like a secret; the value stays on the host, not in git")
    if is_id(shape.image):
        notes.append(f"{shape.image[:19]}… is an image's id; give it a name with `docker tag`")
    lost = "is not supported here; the new container will not have it"
    notes += [f"{each} {lost}" for each in shape.unsaid]
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}, notes


def _ports(shape: Shape, notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for address, host, container, protocol in shape.ports:
        if not host:
            fact = f"a port for {container}/{protocol} was chosen by Docker"
            notes.append(f"{fact}; give it a number of your own")
            continue
        found[_port_key(f"{protocol}{host}", found)] = _port(address, host, container, protocol)
    return found


def _port(address: str, host: int, container: int, protocol: str) -> Any:
    if not address:
        return f"{host}:{container}/{protocol}"
    where = {"publish": "loopback"} if address == _LOOPBACK else {"address": address}
    return {"container": f"{container}/{protocol}", "host": host, **where}


def _port_key(stem: str, taken: Mapping[str, Any]) -> str:
    numbered = (f"{stem}-{at}" for at in range(2, 1000))
    return next(each for each in (stem, *numbered) if each not in taken)


def _volumes(shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in shape.mounts:
        key = each.key or volume_key(each.target, found)
        found[key] = each.target if each.key is not None else _volume(each)
    return found


def _volume(mount: Mounted) -> dict[str, Any]:
    parts: dict[str, Any] = {"path": mount.target, "source": mount.source}
    if not mount.is_directory:
        # a file or a read-only mount is configuration, not a world
        parts["kind"] = "file" if mount.source.startswith("/") else "cache"
    elif mount.read_only:
        parts["kind"] = "cache"
    return {**parts, "read_only": True} if mount.read_only else parts


def volume_key(target: str, taken: Mapping[str, Any]) -> str:
    """Name a volume after the end of its path."""
    stem = re.sub(r"[^a-z0-9_-]+", "-", PurePosixPath(target).name.lower()).strip("-_")
    stem = stem[:55] or "volume"
    numbered = (f"{stem}{at}" for at in range(2, 1000))
    return next(each for each in (stem, *numbered) if each not in taken)


def _limits(shape: Shape) -> dict[str, Any]:
    found = {"memory": shape.memory_bytes, "cpus": shape.nano_cpus / 1e9}
    return {key: value for key, value in found.items() if value}


def _stop(shape: Shape) -> dict[str, Any]:
    grace = {"grace": f"{exact(shape.grace_s)}s"} if shape.grace_s else {}
    return {**({"signal": shape.stop_signal} if shape.stop_signal else {}), **grace}


def _health(shape: Shape) -> dict[str, Any] | None:
    if (health := shape.health) is None:
        return None
    times = {key: f"{getattr(health, key):.3f}s" for key in ("interval", "timeout", "start_period")}
    return {"test": list(health.test), **times, "retries": health.retries}


def _networks(shape: Shape) -> Any:
    if not shape.attachments:
        return list(shape.networks)
    return {name: shape.attachments.get(name, {}) for name in shape.networks}
