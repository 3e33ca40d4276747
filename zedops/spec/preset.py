"""A preset: the values that a game needs, laid under every definition that names it. Pure.

A preset's file is part of a definition in plain YAML, plus the key `preset` for facts that no
definition can hold. A shipped preset never changes a field that shapes a container, because a newer
zedops must recreate nothing: a better preset gets another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from zedops.errors import Problem
from zedops.spec import loader as yaml_source
from zedops.spec import validation
from zedops.spec.fields import Bytes, EnvKey, Key, Model, Seconds, Text
from zedops.spec.model import Definition
from zedops.spec.places import Source

#: The key for facts about the preset itself.
ABOUT = "preset"
#: Fields of a single server; no preset may set them.
_NOT_SHARED = ("host", "game", "desired", "restart", "rebuild", "adopt", "purge", "moved_from",
               "world")


class Asked(Model):
    """A variable that a person must choose: `new` writes it into the definition."""

    value: Text
    comment: Text = ""


class About(Model):
    """Facts about a preset that no definition can hold."""

    title: Text = ""
    #: The shortest `stop.grace` in which the image can save its world.
    least_grace: Seconds | None = None
    #: Variables that set the game's own memory → the unit of a bare number, in bytes.
    heap: dict[EnvKey, Bytes] = Field(default={})
    asks: dict[EnvKey, Asked] = Field(default={})


@dataclass(frozen=True)
class Preset:
    """One preset. `data` is its part of a definition, as written."""

    path: str
    data: Mapping[str, Any] = field(default_factory=dict)
    about: About = field(default_factory=About)
    problems: tuple[Problem, ...] = ()
    source: Source = field(default_factory=lambda: Source(""), compare=False, repr=False)

    @property
    def name(self) -> str:
        """Name the preset: the file's stem."""
        return PurePosixPath(self.path).stem


def parse(path: str, content: bytes) -> Preset:
    """Read a preset's file; the result carries its problems."""
    source = yaml_source.read(path, content)
    problems = [*_name_problems(path), *source.problems]
    if source.problems:
        return Preset(path, problems=tuple(problems), source=source)
    if not isinstance(source.data, dict):
        problems.append(source.problem((), "not a mapping", "write `image: …` and other keys"))
        return Preset(path, problems=tuple(problems), source=source)
    data = {key: value for key, value in source.data.items() if key != ABOUT}
    for key in _NOT_SHARED:
        if key in data:
            remedy = "write it into the definitions"
            problems.append(source.problem((key,), "belongs to a single server", remedy))
    part = replace(source, data={"image": "any", **data})
    problems += validation.validate(Definition, part)[1]
    about, found = _about(source)
    problems += found
    return Preset(path, data, about, tuple(sorted(set(problems))), source)


def _about(source: Source) -> tuple[About, list[Problem]]:
    inner = {path[1:]: each for path, each in source.places.items() if path[:1] == (ABOUT,)}
    part = Source(source.path, source.data.get(ABOUT, {}), inner)
    if not isinstance(part.data, dict):
        fact = "must be a mapping of keys to values"
        return About(), [source.problem((ABOUT,), fact, "write e.g. `title: …` below it")]
    about, problems = validation.validate(About, part)
    return about or About(), [replace(each, field=f"{ABOUT}.{each.field}") for each in problems]


def _name_problems(path: str) -> list[Problem]:
    name = PurePosixPath(path).stem
    if validation.validate(_Named, Source(path, {"name": name}))[0] is not None:
        return []
    remedy = "rename it: lower-case letters, digits, '-' and '_'"
    return [Problem(path, 0, 0, "", f"{name!r} cannot be a preset's name", remedy)]


class _Named(Model):
    name: Key
