"""How read models become JSON, and are read from it again. Pure; knows no model.

Imports little: every command that prints JSON loads this module at its start.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def plain(value: object) -> object:
    """Turn what `json` cannot write into what it can: its argument `default`."""
    if is_dataclass(value) and not isinstance(value, type):
        return vars(value)
    return written(value) if isinstance(value, datetime) else str(value)


def written(at: datetime) -> str:
    """Write a time in UTC to the second: `2026-11-23T08:12:20Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read(kind: type[T], said: Mapping[str, Any]) -> T:
    """Read a model from JSON. A manager of another release may send more fields, or fewer."""
    names, inner = _fields(kind)  # type: ignore[arg-type]
    values: dict[str, Any] = {name: said.get(name) for name in names}
    for name, each in inner.items():
        values[name] = [read(each, one) for one in values[name] or ()]
    return kind(**values)


def read_all(kind: type[T], said: list[dict[str, Any]]) -> list[T]:
    """Read a list of models from JSON."""
    return [read(kind, each) for each in said]


@functools.cache
def _fields(kind: type[Any]) -> tuple[tuple[str, ...], dict[str, type[Any]]]:
    """Name the fields of a model, and those that are lists of other models."""
    hints = get_type_hints(kind).items()
    lists = {name: get_args(hint)[0] for name, hint in hints if get_origin(hint) is list}
    inner = {name: each for name, each in lists.items() if hasattr(each, "__dataclass_fields__")}
    return tuple(each.name for each in fields(kind)), inner
