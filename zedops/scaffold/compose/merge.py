"""Lays one compose file's service over another's: override files and `extends`. Pure.

Source: Compose Specification, "Merge"; compose-go, `override/merge.go` and `uncity.go`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from zedops.scaffold.compose.scalars import Override, Plain, Reset, as_text

#: Keys that a later file replaces as a whole.
_REPLACED = {"command", "entrypoint", "test"}
#: Keys that are a mapping or a list of `KEY=VALUE`, merged by key.
_PAIRS = {"environment": "=", "labels": "=", "annotations": "=", "sysctls": "=", "args": "="}
#: Keys that are one text or a list of texts.
_LISTS = {"dns", "dns_search", "dns_opt", "env_file", "tmpfs", "cap_add", "cap_drop"}
_NULL = Plain("", None)


def lay(over: Any, under: Any, key: str = "") -> Any:
    """Lay a value over another one of the same key."""
    if isinstance(over, Override):
        return over.value
    if isinstance(over, Reset):
        return over
    if isinstance(over, Plain) and over.value is None and under is not None:
        return under
    if key in _REPLACED:
        return over
    if key in _PAIRS:
        return cleaned({**as_pairs(under), **as_pairs(over)})
    if key == "extra_hosts":
        return _unique([*_hosts(under), *_hosts(over)])
    if key in _LISTS:
        return _unique([*as_list(under), *as_list(over)])
    if key in ("networks", "depends_on"):
        return _mappings(as_names(over), as_names(under))
    if isinstance(over, dict) and isinstance(under, dict):
        drivers = [each["driver"] for each in (over, under) if "driver" in each]
        if key == "logging" and len(drivers) == 2 and drivers[0] != drivers[1]:
            return over
        return _mappings(over, under)
    if isinstance(over, list) and isinstance(under, list):
        is_by_target = key in ("volumes", "devices")
        return _by_target([*under, *over]) if is_by_target else _unique([*under, *over])
    return over


def _mappings(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: lay(over[key], each, key) if key in over else each for key, each in under.items()}
    found |= {key: cleaned(each) for key, each in over.items() if key not in under}
    return {key: each for key, each in found.items() if not isinstance(each, Reset)}


def cleaned(value: Any) -> Any:
    """Remove Compose's own tags from a value that is merged with nothing."""
    if isinstance(value, Override):
        return cleaned(value.value)
    if isinstance(value, dict):
        return {key: cleaned(each) for key, each in value.items() if not isinstance(each, Reset)}
    if isinstance(value, list):
        return [cleaned(each) for each in value if not isinstance(each, Reset)]
    return value


def as_pairs(value: Any) -> dict[str, Any]:
    """Read a mapping, or a list of `KEY=VALUE`; a `KEY` alone has a null."""
    if value is None or isinstance(value, Reset) or is_null(value):
        return {}
    if isinstance(value, dict):
        return dict(value)
    if not isinstance(value, list):
        raise ValueError("is neither a mapping nor a list")
    found: dict[str, Any] = {}
    for each in value:
        name, equals, said = as_text(each).partition("=")
        found[name] = said if equals else _NULL
    return found


def as_list(value: Any) -> list[Any]:
    """Read one text, or a list."""
    if value is None or isinstance(value, Reset) or is_null(value):
        return []
    return list(value) if isinstance(value, list) else [value]


def is_null(value: Any) -> bool:
    """Say whether a value is YAML's null."""
    return isinstance(value, Plain) and value.value is None


def as_names(value: Any) -> dict[str, Any]:
    """Read a mapping, or a list of names without parts."""
    if isinstance(value, list):
        return {as_text(each): _NULL for each in value}
    return dict(value) if isinstance(value, dict) else {}


def _unique(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for each in values:
        if each not in found:
            found.append(each)
    return found


def _by_target(volumes: list[Any]) -> list[Any]:
    """Keep the last volume of each target, in the first one's place."""
    found: dict[str, Any] = {}
    for each in volumes:
        found[_target(each)] = each
    return list(found.values())


def _target(volume: Any) -> str:
    if isinstance(volume, dict):
        return posixpath.normpath(as_text(volume.get("target", "")))
    parts = as_text(volume).split(":")
    return posixpath.normpath(parts[1] if len(parts) > 1 else parts[0])


def _hosts(value: Any) -> list[Any]:
    """Read `extra_hosts`, a mapping or a list, as a list: a name may have several addresses."""
    if isinstance(value, dict):
        return [f"{name}={as_text(one)}" for name, each in value.items() for one in as_list(each)]
    return [as_text(each).replace(":", "=", 1) if "=" not in as_text(each) else as_text(each)
            for each in as_list(value)]
