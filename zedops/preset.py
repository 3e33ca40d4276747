"""A preset: what a known game needs, laid under every definition that names it. Pure.

A file is part of a definition in plain YAML, and one key more, `preset`, for what no definition
can say. Presets that come with zedops never change what shapes a container: a newer zedops must
recreate nothing. A better one gets another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from zedops import source as yaml_source
from zedops import validation
from zedops.errors import Problem
from zedops.fields import Bytes, EnvKey, Key, Model, Seconds, Text
from zedops.model import Definition
from zedops.source import Source

#: The key of a preset's file that is about the preset itself.
ABOUT = "preset"
#: Fields that are one server's own; no preset may say them for all.
_NOT_SHARED = ("host", "game", "desired", "restart", "rebuild", "adopt", "purge", "moved_from")


class Asked(Model):
    """A variable that a person decides about: written into a new definition, never laid under."""

    value: Text
    comment: Text = ""


class About(Model):
    """What a preset knows beyond the definition that it is part of."""

    title: Text = ""
    #: The shortest `stop.grace` in which the image can save its world.
    least_grace: Seconds | None = None
    #: Variables with the memory that the game takes for itself → what a bare number counts in.
    heap: dict[EnvKey, Bytes] = Field(default={})
    asks: dict[EnvKey, Asked] = Field(default={})


@dataclass(frozen=True)
class Preset:
    """One preset. `data` is the part of a definition, as written."""

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
    """Read a preset's file. What is wrong with it is part of the result."""
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
            problems.append(source.problem((key,), "is one server's own", remedy))
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
