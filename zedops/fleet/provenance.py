"""Finds the origin of each value of a resolved definition. Pure.

It lists written values only; the documentation lists the defaults of zedops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zedops.errors import InvalidInput
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.emitter import flow, scalar
from zedops.spec.layout import SETTINGS_PATH, preset_path
from zedops.spec.model import Definition
from zedops.spec.places import Path
from zedops.spec.resolve import layers

_WIDTH = 44
#: Ports, durations and sizes need no quotes, though they begin with a digit.
_MEASURE = re.compile(r"\d+(/(tcp|udp)|ms|s|m|h|d|w|[kKMGT]i?B)")


@dataclass(frozen=True)
class Value:
    """One value of a definition: its path, the value, and the file that sets it."""

    path: Path
    value: Any
    origin: str


def values(fleet: Fleet, document: Document) -> list[Value]:
    """List every written value of a resolved definition; InvalidInput if it cannot be resolved."""
    definition, problems = fleet.resolve(document)
    if definition is None:
        raise InvalidInput(problems)
    preset, defaults, _ = layers(document, fleet.settings, fleet.presets)
    found: dict[Path, Value] = {}
    source = document.source  # each access parses it again
    game = fleet.game(document) or ""
    own = game in fleet.presets and fleet.presets[game].path == preset_path(game)
    for tree, named in (
        (preset, f"preset {game}" + (f" ({preset_path(game)})" if own else "")),
        (defaults, f"fleet defaults ({SETTINGS_PATH})"),
        (source.data, None),
    ):
        for path, value in _leaves(tree, ()):
            for known in [each for each in found if _covers(each, path) or _covers(path, each)]:
                if known != path:
                    del found[known]  # a mapping replaced a value, or a value a mapping
            line = source.mark(path).line
            origin = named or f"{PurePosixPath(document.path).name}:{line}"
            found[path] = Value(path, value, origin)
    return [_replaced(each, definition) for each in _in_order(found)]


def _in_order(found: Mapping[Path, Value]) -> list[Value]:
    """Sort values in the order of the model, those of one mapping together."""
    order = list(Definition.model_fields)
    groups: dict[Path, int] = {}
    for path in found:
        for end in range(1, len(path)):
            groups.setdefault(path[:end], len(groups))

    def key(each: Value) -> tuple[int, tuple[int, ...]]:
        top = order.index(str(each.path[0])) if each.path[0] in order else len(order)
        return top, tuple(groups[each.path[:end]] for end in range(1, len(each.path)))

    return sorted(found.values(), key=key)


def _replaced(each: Value, definition: Definition) -> Value:
    """Replace `${…}` by its value, and note the written text in the origin."""
    if not isinstance(each.value, str | list) or "${" not in str(each.value):
        return each
    current: Any = definition.model_dump(include={str(each.path[0])})
    for part in each.path:
        current = current[part]
    if current == each.value:
        return each
    shown = list(current) if isinstance(current, list | tuple) else current
    written = each.value if isinstance(each.value, str) else "with ${…} replaced"
    return Value(each.path, shown, f"{each.origin}, {written}")


def write(values: list[Value]) -> str:
    """Write values as YAML, each with its origin in a comment."""
    lines: list[str] = []
    before: Path = ()
    for each in values:
        for depth, part in enumerate(each.path[:-1]):
            if each.path[: depth + 1] != before[: depth + 1]:
                lines.append(f"{'  ' * depth}{scalar(str(part))}:")
        before = each.path
        indent = "  " * (len(each.path) - 1)
        line = f"{indent}{scalar(str(each.path[-1]))}: {_shown(each.value)}"
        lines.append(f"{line:<{_WIDTH}} # {each.origin}")
    return "".join(f"{line}\n" for line in lines)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() if all(isinstance(each, str) for each in value):
            return flow(value)
        case list():
            return f"[{', '.join(_shown(each) for each in value)}]"
        case dict():
            return "{}"
        case str() if _MEASURE.fullmatch(value):
            return value
        case _:
            return scalar(str(value))


def _leaves(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(tree, dict) and (tree or path):
        if not tree:
            yield path, tree
        for key, each in tree.items():
            yield from _leaves(each, (*path, key))
    elif path:
        yield path, tree


def _covers(path: Path, other: Path) -> bool:
    return other[: len(path)] == path
