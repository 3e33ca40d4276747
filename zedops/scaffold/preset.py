"""Writes a first definition, from a preset or from an image, for a person to read and change. Pure.

The text sets only the server's own values: free ports, and variables that the person must choose.
All other values stay in the preset; comments show those that people change most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zedops.spec.emitter import quoted, scalar
from zedops.spec.port import Port, Publish
from zedops.spec.preset import Preset
from zedops.spec.resolve import refers_to

_WIDTH = 30


def ports_of(preset: Preset) -> dict[str, Port]:
    """Read the ports of a preset."""
    return {key: Port.model_validate(each) for key, each in preset.data.get("ports", {}).items()}


def write_start(
    name: str,
    preset: Preset,
    ports: Mapping[str, int],
    *,
    host: str | None = None,
    image: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Write a definition. `ports` says which host port each published port of the preset gets."""
    title = preset.about.title or preset.name
    return "".join(f"{line}\n" for line in (
        f"# {title}. All its values: zedops show {name} --resolved",
        f"game: {preset.name}",
        *([f"host: {host}"] if host else []),
        *([f"image: {scalar(image)}"] if image else []),
        *_ports(preset, ports),
        *_env(preset, env or {}),
        *_secrets(name, preset),
        *_changeable(preset, named=image is not None),
    ))


def write_plain(
    image: str,
    host: str | None,
    ports: Sequence[str],
    volumes: Sequence[str],
    env: Sequence[str],
) -> str:
    """Write a definition without a preset; each of `env` is KEY=VALUE."""
    lines = [*([f"host: {host}"] if host else []), f"image: {scalar(image)}"]
    if ports:
        keys = ["game" if at == 0 else f"port{at + 1}" for at in range(len(ports))]
        lines += ["ports:", *(f"  {k}: {quoted(p)}" for k, p in zip(keys, ports, strict=True))]
    if volumes:
        keys = ["world" if at == 0 else f"volume{at + 1}" for at in range(len(volumes))]
        lines += ["volumes:", *(f"  {k}: {scalar(v)}" for k, v in zip(keys, volumes, strict=True))]
    if env:
        pairs = [each.partition("=") for each in env]
        lines += ["env:", *(f"  {key}: {quoted(value)}" for key, _, value in pairs)]
    return "\n".join(lines) + "\n"


def _ports(preset: Preset, ports: Mapping[str, int]) -> Iterator[str]:
    declared = ports_of(preset)
    if not ports:
        return
    # a game that reads its port from a variable listens on the host's port numbers
    told = any(refers_to(text, key) for text in _texts(preset.data) for key in declared)
    yield _noted("ports:", "free when this was written")
    for key, number in ports.items():
        port = declared[key]
        inside = number if told and port.host == port.container else port.container
        if port.publish is Publish.LOOPBACK:
            where = f"container: {inside}/{port.protocol}, host: {number}, publish: loopback"
            yield f"  {key}: {{{where}}}"
        elif inside == number:
            yield f"  {key}: {number}/{port.protocol}"
        else:
            yield f'  {key}: "{number}:{inside}/{port.protocol}"'


def _env(preset: Preset, env: Mapping[str, str]) -> Iterator[str]:
    asked = {key: each for key, each in preset.about.asks.items() if key not in env}
    if asked or env:
        yield "env:"
    for key, each in asked.items():
        yield _noted(f"  {key}: {scalar(each.value)}", each.comment)
    for key, value in env.items():
        yield f"  {key}: {quoted(value)}"


def _secrets(name: str, preset: Preset) -> Iterator[str]:
    secrets = preset.data.get("secrets")
    if secrets:
        yield f"# It needs secrets: {', '.join(secrets)}. Their values live on its host, never in"
        yield f"# git: `zedops secret set {name} NAME` on its host sets one."


def _changeable(preset: Preset, *, named: bool) -> Iterator[str]:
    """Write the most often changed values as comments."""
    lines = []
    image = preset.data.get("image")
    if image and not named:
        lines.append(f"# image: {image}")
    elif not image and not named:
        lines.append("# image: …")
    for key in ("limits", "stop"):
        if given := preset.data.get(key):
            inner = ", ".join(f"{name}: {value}" for name, value in given.items())
            lines.append(f"# {key}: {{{inner}}}")
    if lines:
        yield "# From the preset; remove the # to change it:"
        yield from lines


def _noted(line: str, comment: str) -> str:
    return f"{line:<{_WIDTH}}# {comment}" if comment else line


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
