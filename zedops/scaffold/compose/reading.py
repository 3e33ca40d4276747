"""Shared parts of all readers of a compose file's keys: kinds, numbers, sizes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zedops.scaffold.compose import merge
from zedops.scaffold.compose.project import Project
from zedops.scaffold.compose.scalars import Plain, as_text, kind
from zedops.scaffold.compose.shell_words import split
from zedops.scaffold.compose.variables import Read
from zedops.spec.quantities import parse_size

#: Says whether a path of the host is no directory; None: the path is not visible from here.
IsFile = Callable[[str], bool | None]


@dataclass
class Translation:
    """One service's translation: its keys, the definition's fields, notes and refusals."""

    name: str
    containers: tuple[str, ...]  #: names that its container may have
    answers_to: tuple[str, ...]  #: names that its networks resolve
    tree: Mapping[str, Any]
    project: Project
    read: Read
    is_file: IsFile
    unset: set[str]
    keep_secrets: bool = False
    fields: dict[str, Any] = field(default_factory=dict)  #: of a definition
    needs: dict[str, str] = field(default_factory=dict)  #: services that start first → condition
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Note a difference between Compose's container and the definition's."""
        self.notes.append(text)

    def refuse(self, text: str) -> None:
        """Note a reason that this service cannot be imported."""
        if text not in self.refused:
            self.refused.append(text)


Method = Callable[[Translation, Any], None]


def only(place: str, value: Any, known: set[str]) -> None:
    """Check that a mapping has known keys only. ValueError names an unknown one."""
    if not isinstance(value, dict):
        raise ValueError(f"{place}: is {kind(value)}; write a mapping")
    if unknown := [each for each in value if each not in known and not each.startswith("x-")]:
        raise ValueError(f"{place}.{unknown[0]} is not understood")


def items(value: Any) -> list[Any]:
    """Read a list; a missing or null value is an empty list."""
    if value is None or merge.is_null(value):
        return []
    if not isinstance(value, list):
        raise ValueError(f"is {kind(value)}; write a list")
    return value


def texts_or_none(value: Any) -> list[str]:
    """Read a list of texts; any other value is an empty list."""
    return [as_text(each) for each in value] if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """Read a text as Compose splits it, or a list."""
    return split(value) if isinstance(value, str) else [as_text(e) for e in items(value)]


def is_true(value: Any) -> bool:
    """Read a boolean, as Compose casts one (true, yes, y, on, 1 in any case)."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, Plain) and isinstance(value.value, bool):
        return value.value
    said = as_text(value).lower()
    if said in ("true", "yes", "y", "on", "1"):
        return True
    if said in ("false", "no", "n", "off", "0", ""):
        return False
    raise ValueError(f"{said!r} is neither true nor false")


def size_bytes(value: Any) -> int:
    """Read a size in bytes; a bare number is bytes, too."""
    said = as_text(value)
    return int(said) if said.isdigit() else parse_size(said)
