"""A parsed text and the place of each field in it, for problems and edits. Parses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from zedops.errors import Problem

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in a text: line and column from 1, and the span of the value in characters."""

    line: int
    column: int
    start: int = 0
    end: int = 0


@dataclass
class Source:
    """A parsed text. `data` is meaningful only if `problems` is empty."""

    path: str
    data: Any = None
    #: Field → the nodes of its key and its value; a field without a key has its value twice.
    places: dict[Path, tuple[yaml.Node, yaml.Node]] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)
    flow: bool = False

    @property
    def marks(self) -> dict[Path, Mark]:
        """Give the place of every field. Computed on request: most texts have no problem."""
        return {path: _mark(*nodes) for path, nodes in self.places.items()}

    def mark(self, path: Path) -> Mark:
        """Find the place of a field, or of the nearest written field around it."""
        for end in range(len(path), -1, -1):
            if nodes := self.places.get(path[:end]):
                return _mark(*nodes)
        return Mark(1, 1)

    def problem(self, path: Path, fact: str, remedy: str = "") -> Problem:
        """Make a problem at the place of a field."""
        mark = self.mark(path)
        return Problem(self.path, mark.line, mark.column, dotted(path), fact, remedy)


def _mark(key: yaml.Node, value: yaml.Node) -> Mark:
    start, end = value.start_mark, value.end_mark
    return Mark(key.start_mark.line + 1, key.start_mark.column + 1, start.index, end.index)


def dotted(path: Path) -> str:
    """Write a field's path the way messages do: `ports.game`, `command[2]`."""
    text = ""
    for part in path:
        name = part if isinstance(part, int) else part[:100]
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else str(name)
    return text
