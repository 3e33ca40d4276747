"""A container's shape → the text of a definition, for a person to read and keep. Pure.

What is written here and parsed again asks for exactly the container that it came from, so that the
agent can take that one over as it is. What no definition can say is said in comments, and so are
variables that look like secrets: their values never get into a repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from zedops.calls import Mounted, Shape
from zedops.quoting import flow, quoted, scalar
from zedops.references import is_id

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Draft:
    """The text, and what a person should know before using it."""

    text: str
    warnings: tuple[str, ...]


def server_name(text: str) -> str:
    """Make a server's name of a container's."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63] or "server"


def write_draft(shape: Shape, *, host: str | None = None, adopt: str | None = None) -> Draft:
    """Write a definition. `adopt` names the container that is to be taken over."""
    warnings: list[str] = []
    lines = [f"host: {host}"] if host else []
    lines.append(f"image: {scalar(shape.image)}")
    if adopt:
        lines.append(f"adopt: {adopt}   # taken over as it is; changes below recreate it")
    if shape.command is not None:
        lines.append(f"command: {flow(shape.command)}")
    lines += _ports(shape, warnings)
    lines += _env(shape, warnings)
    lines += _volumes(shape)
    lines += _limits(shape)
    lines += _stop_and_health(shape)
    for key in ("user", "hostname"):
        if value := getattr(shape, key):
            lines.append(f"{key}: {scalar(value)}")
    for key in ("networks", "cap_add"):
        if values := getattr(shape, key):
            lines.append(f"{key}: {flow(values)}")
    if shape.labels:
        lines += ["labels:", *(f"  {scalar(k)}: {scalar(v)}" for k, v in shape.labels.items())]
    if is_id(shape.image):
        warnings.append(f"{shape.image[:19]}… is an image's id; give it a name with `docker tag`")
    lost = "cannot be said here; a container made from this has it not"
    warnings += [f"{each} {lost}" for each in shape.unsaid]
    notes = [f"# {each}" for each in warnings]
    return Draft("\n".join([*notes, *lines]) + "\n", tuple(warnings))


def _ports(shape: Shape, warnings: list[str]) -> Iterator[str]:
    lines = []
    for address, host, container, protocol in shape.ports:
        if not host:
            fact = f"a port for {container}/{protocol} was chosen by Docker"
            warnings.append(f"{fact}; give it a number of your own")
            continue
        key = f"{protocol}{host}"
        if address in ("", _LOOPBACK):
            publish = ", publish: loopback" if address else ""
            inside = f"container: {container}/{protocol}, host: {host}"
            short = f'"{host}:{container}/{protocol}"'
            lines.append(f"  {key}: {f'{{{inside}{publish}}}' if publish else short}")
        else:
            fact = f"port {host}/{protocol} is published on {address} alone"
            warnings.append(f"{fact}, which cannot be said here; it is left out")
    if lines:
        yield from ["ports:", *lines]


def _env(shape: Shape, warnings: list[str]) -> Iterator[str]:
    open_ones = {key: value for key, value in shape.env.items() if value is not None}
    kept_back = [key for key, value in shape.env.items() if value is None]
    if open_ones:
        yield "env:"
        yield from (f"  {key}: {quoted(value)}" for key, value in open_ones.items())
    if kept_back:
        names = ", ".join(kept_back)
        warnings.append(f"{names}: looks like a secret; the value stays on the host, not in git")
        yield f"secrets: [{names}]"


def _volumes(shape: Shape) -> Iterator[str]:
    if not shape.mounts:
        return
    yield "volumes:"
    keys: set[str] = set()
    for each in shape.mounts:
        key = each.key or _key(each, keys)
        keys.add(key)
        if each.key is not None:
            yield f"  {key}: {scalar(each.target)}"
            continue
        # what is a file, or only read, is configuration and no world
        cache = not each.is_directory or each.read_only
        parts = [f"path: {scalar(each.target)}", f"source: {scalar(each.source)}"]
        parts += ["kind: cache"] if cache else []
        parts += ["read_only: true"] if each.read_only else []
        yield f"  {key}: {{{', '.join(parts)}}}"


def _key(mount: Mounted, taken: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9_-]+", "-", PurePosixPath(mount.target).name.lower()).strip("-_")
    stem = stem[:55] or "volume"
    numbered = (f"{stem}{at}" for at in range(2, 1000))
    return next(each for each in (stem, *numbered) if each not in taken)


def _limits(shape: Shape) -> Iterator[str]:
    parts = [f"memory: {shape.memory_bytes}b"] if shape.memory_bytes else []
    parts += [f"cpus: {shape.nano_cpus / 1e9:g}"] if shape.nano_cpus else []
    if parts:
        yield f"limits: {{{', '.join(parts)}}}"


def _stop_and_health(shape: Shape) -> Iterator[str]:
    parts = [f"signal: {shape.stop_signal}"] if shape.stop_signal else []
    parts += [f"grace: {shape.grace_s:g}s"] if shape.grace_s else []
    if parts:
        yield f"stop: {{{', '.join(parts)}}}"
    if (health := shape.health) is not None:
        yield "health:"
        yield f"  test: {flow(health.test)}"
        for key in ("interval", "timeout", "start_period"):
            yield f"  {key}: {getattr(health, key):.3f}s"
        yield f"  retries: {health.retries}"
