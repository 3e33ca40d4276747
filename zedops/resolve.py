"""A definition as written → what its host gets: fleet defaults filled in, `${…}` replaced.

Pure. Only names zedops knows are replaced: `${ports.KEY}` (the host port) and `${server.name}`;
any other `${…}` is left for the container's own shell.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import ValidationError

from zedops.document import Document
from zedops.errors import Problem
from zedops.model import Definition, Settings
from zedops.source import Path

_REFERENCE = re.compile(r"\$\{(ports|server)\.([^}]*)\}")


def resolve(document: Document, settings: Settings) -> tuple[Definition | None, list[Problem]]:
    """Resolve one document; None with problems where something in it cannot be."""
    if document.definition is None:
        return None, list(document.problems)
    definition = document.definition
    if settings.defaults:
        try:
            merged = _overlay(settings.defaults, document.data)
            definition = Definition.model_validate(merged)
        except ValidationError as error:
            fact = f"cannot be combined with the fleet's defaults: {error.errors()[0]['msg']}"
            return None, [document.problem((), fact, "change one of the two")]
    problems: list[Problem] = []

    def replaced(text: str, path: Path) -> str:
        def value(match: re.Match[str]) -> str:
            try:
                return _lookup(definition, document.name, match)
            except KeyError as error:
                problems.append(document.problem(path, *error.args))
                return ""

        return _REFERENCE.sub(value, text)

    env = {key: replaced(value, ("env", key)) for key, value in definition.env.items()}
    labels = {key: replaced(value, ("labels", key)) for key, value in definition.labels.items()}
    command = definition.command and tuple(
        replaced(word, ("command", index)) for index, word in enumerate(definition.command)
    )
    if problems:
        return None, problems
    return definition.model_copy(update={"env": env, "labels": labels, "command": command}), []


def _lookup(definition: Definition, name: str, match: re.Match[str]) -> str:
    kind, key = match.groups()
    if kind == "ports" and key in definition.ports:
        return str(definition.ports[key].host)
    if kind == "server" and key == "name":
        return name
    known = [f"ports.{each}" for each in definition.ports] + ["server.name"]
    close = difflib.get_close_matches(f"{kind}.{key}", known, n=1) or known
    raise KeyError(f"{match[0]} stands for nothing", f"use e.g. ${{{close[0]}}}")


def _overlay(below: Any, above: Any) -> Any:
    """Lay one tree over another: mappings merge key by key, anything else replaces."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _overlay(below.get(key), each) for key, each in above.items()}}
    return above
