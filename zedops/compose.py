"""A compose file's services → shapes of containers, in the terms of a definition. Pure.

Source: the Compose Specification (services, interpolation). Every scalar is read as the text that
was written: YAML 1.1 would take `22:22` for 1342. What is not understood is named, never guessed.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from zedops.calls import Mounted, Shape
from zedops.errors import InvalidInput, Problem
from zedops.fields import looks_secret
from zedops.model import Health
from zedops.quantities import parse_duration, parse_size

#: What a service may say that a definition has no need of.
_NEEDLESS = {
    "container_name", "restart", "init", "logging", "security_opt", "stdin_open", "tty",
    "pull_policy", "expose", "name", "networks", "profiles", "attach", "annotations",
}  # fmt: skip
_VARIABLE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})")


@dataclass(frozen=True)
class Project:
    """Where a compose file is: its directory, its name, the variables it sees, files it names."""

    directory: str
    name: str
    variables: Mapping[str, str]
    read: Callable[[str], str | None] = lambda _: None


@dataclass(frozen=True)
class Service:
    """One service, and the names that its container may have on the host."""

    name: str
    shape: Shape
    containers: tuple[str, ...]


class _Texts(yaml.SafeLoader):
    """Reads every scalar as text; only merge keys mean something."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        "<": [("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"))]
    }


def read_services(path: str, text: str, project: Project) -> list[Service]:
    """Read a compose file. InvalidInput says what cannot be understood."""
    try:
        tree = yaml.load(text, Loader=_Texts)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        fact = " ".join(str(error).split())
        raise InvalidInput([Problem(path, 0, 0, "", f"not valid YAML: {fact}", "")]) from error
    services = tree.get("services") if isinstance(tree, dict) else None
    if not isinstance(services, dict):
        remedy = "name a compose file, or a container"
        raise InvalidInput([Problem(path, 0, 0, "services", "is missing", remedy)])
    volumes = tree.get("volumes") or {}
    problems, found = [], []
    for name, raw in services.items():
        try:
            found.append(_service(name, _expand(raw or {}, project.variables), volumes, project))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            problems.append(Problem(path, 0, 0, f"services.{name}", str(error), ""))
    if problems:
        raise InvalidInput(problems)
    return found


def _service(
    name: str, raw: dict[str, Any], volumes: Mapping[str, Any], project: Project
) -> Service:
    if "image" not in raw:
        raise ValueError("has no image; build one, name it, and push it where the host can pull")
    given = raw.get("container_name")
    containers = (given,) if given else (f"{project.name}-{name}-1", f"{project.name}_{name}_1")
    limits = ((raw.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    memory, cpus = raw.get("mem_limit") or limits.get("memory"), raw.get("cpus")
    known = _READ | _NEEDLESS
    unsaid = [key for key in raw if key not in known and not key.startswith("x-")]
    mounts = [_mount(each, volumes, project) for each in raw.get("volumes") or []]
    if None in mounts:
        unsaid.append("a volume without a name")
    shape = Shape(
        id="", name=containers[0], image=raw["image"], running=False,
        command=_command(raw.get("command")),
        env=_env(raw, project),
        ports=tuple(port for each in raw.get("ports") or [] for port in _port(each)),
        mounts=tuple(each for each in mounts if each is not None),
        user=raw.get("user"), hostname=raw.get("hostname"),
        cap_add=tuple(raw.get("cap_add") or ()),
        memory_bytes=parse_size(memory if not str(memory).isdigit() else f"{memory}b")
        if memory else 0,
        nano_cpus=int(float(cpus or limits.get("cpus") or 0) * 1e9),
        stop_signal=raw.get("stop_signal"),
        grace_s=parse_duration(raw["stop_grace_period"]) if "stop_grace_period" in raw else None,
        health=_health(raw.get("healthcheck")),
        labels=_pairs(raw.get("labels")),
        unsaid=tuple(unsaid),
    )  # fmt: skip
    return Service(name, shape, containers)


_READ = {
    "image", "command", "environment", "env_file", "ports", "volumes", "user", "hostname",
    "cap_add", "mem_limit", "cpus", "deploy", "stop_signal", "stop_grace_period", "healthcheck",
    "labels",
}  # fmt: skip


def _expand(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?error}`, `${NAME:+other}`, `$$`."""
    if isinstance(value, dict):
        return {key: _expand(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_expand(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, how, other = match[1] or match[2], match[3] or "", match[4] or ""
        said = variables.get(name)
        there = said is not None and (bool(said) or not how.startswith(":"))
        if how.endswith("+"):
            return str(_expand(other, variables)) if there else ""
        if there:
            return str(said)
        if how.endswith("?"):
            raise ValueError(f"needs the variable {name}: {other or 'it is not set'}")
        return str(_expand(other, variables))

    return _VARIABLE.sub(replaced, value)


def _command(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(shlex.split(value)) if isinstance(value, str) else tuple(value)


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: "" if each is None else str(each) for key, each in value.items()}
    return {key: each for key, _, each in (str(item).partition("=") for item in value or [])}


def _env(raw: Mapping[str, Any], project: Project) -> dict[str, str | None]:
    files = raw.get("env_file") or []
    merged: dict[str, str] = {}
    for each in [files] if isinstance(files, str | dict) else files:
        path = each["path"] if isinstance(each, dict) else each
        text = project.read(path)
        if text is None:
            raise ValueError(f"env_file {path} cannot be read")
        merged |= read_env_file(text)
    said = raw.get("environment") or {}
    if isinstance(said, dict):
        merged |= {key: project.variables.get(key, "") if each in (None, "") else each
                   for key, each in said.items()}
    else:
        for item in said:
            key, equals, each = item.partition("=")
            merged[key] = each if equals else project.variables.get(key, "")
    return {key: None if looks_secret(key) else each for key, each in sorted(merged.items())}


def read_env_file(text: str) -> dict[str, str]:
    """Read a `.env` file: `NAME=value` lines, comments, quotes around a value."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not key.startswith("#"):
            quoted = re.match(r"""\s*(['"])(.*?)\1""", value)
            found[key.strip()] = quoted[2] if quoted else value.partition(" #")[0].strip()
    return found


_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[^\]]+\]|[\d.]+):)?(?P<host>\d+(?:-\d+)?)?:)?(?P<inside>\d+(?:-\d+)?)"
    r"(?:/(?P<protocol>tcp|udp))?"
)


def _port(value: Any) -> Iterator[tuple[str, int, int, str]]:
    if isinstance(value, dict):
        protocol = value.get("protocol", "tcp")
        address, outside = value.get("host_ip", ""), value.get("published", "0")
        inside = value["target"]
    else:
        match = _PORT.fullmatch(str(value))
        if match is None:
            raise ValueError(f"ports: {value!r} is not understood")
        protocol, inside = match["protocol"] or "tcp", match["inside"]
        address, outside = (match["ip"] or "").strip("[]"), match["host"] or "0"
    address = "" if address in ("0.0.0.0", "::") else address  # noqa: S104 - compared with
    low, high = _range(inside)
    first, last = _range(outside)
    if first and last - first != high - low:
        raise ValueError(f"ports: {value!r} has two ranges of different lengths")
    for step in range(high - low + 1):
        yield address, first + step if first else 0, low + step, protocol


def _range(text: Any) -> tuple[int, int]:
    first, _, last = str(text).partition("-")
    return int(first), int(last or first)


def _mount(value: Any, volumes: Mapping[str, Any], project: Project) -> Mounted | None:
    if isinstance(value, dict):
        if value.get("type", "volume") not in ("bind", "volume"):
            return None
        source, target = value.get("source", ""), value["target"]
        read_only = str(value.get("read_only", "false")).lower() == "true"
    else:
        parts = value.split(":")
        source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
        read_only = "ro" in (parts[2].split(",") if len(parts) > 2 else [])
    if not source:
        return None
    return Mounted(
        source=_source(source, volumes, project), target=target, read_only=read_only
    )


def _source(source: str, volumes: Mapping[str, Any], project: Project) -> str:
    """Find a mount's place: a path, or a named volume's full name."""
    if source.startswith("~/"):
        return posixpath.join(project.variables.get("HOME", "/"), source[2:])
    if source.startswith((".", "/")):
        return posixpath.normpath(posixpath.join(project.directory, source))
    told = volumes.get(source) or {}
    external = str(told.get("external", "false")).lower() == "true"
    return str(told.get("name") or (source if external else f"{project.name}_{source}"))


def _health(value: Any) -> Health | None:
    if not isinstance(value, dict) or "test" not in value:
        return None
    return Health.model_validate({
        key: int(each) if key == "retries" else each
        for key, each in value.items()
        if key in ("test", "interval", "timeout", "retries", "start_period")
    })
