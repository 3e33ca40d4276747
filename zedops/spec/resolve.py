"""Resolves a definition for its host: lays it over preset and defaults, and replaces `${…}`.

Pure. Three layers, the upper one wins key by key: the preset that `game` names, the fleet's
defaults, the definition. zedops replaces only the names that it knows: `${ports.KEY}` (the host
port) and `${server.name}`. Any other `${…}` stays for the container's own shell.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from zedops.errors import Problem
from zedops.spec.document import Document
from zedops.spec.model import Definition
from zedops.spec.places import Path
from zedops.spec.preset import Preset
from zedops.spec.settings import Settings
from zedops.spec.validation import MAX_PROBLEMS

#: The search for a close name stops after this many ports: all of 5,000 would take minutes.
_LIKELY = 50
_REFERENCE = re.compile(r"\$\{(ports|server)\.([^}]*)\}")

Presets = Mapping[str, Preset]


def resolve(
    document: Document, settings: Settings, presets: Presets
) -> tuple[Definition | None, list[Problem]]:
    """Resolve one document; None and the problems where it cannot be resolved."""
    if document.definition is None:
        return None, list(document.problems)
    definition = document.definition
    game = game_of(document, settings)
    problem = game and _preset_problem(document, game, presets)
    if problem:
        return None, [problem]
    if game or settings.defaults:
        merged: Any = {}
        for layer in layers(document, settings, presets):
            merged = _overlay(merged, layer)
        try:
            definition = Definition.model_validate(merged)
        except ValidationError as error:
            what = " and ".join([*([f"the preset {game!r}"] if game else []),
                                 *(["the fleet's defaults"] if settings.defaults else [])])
            fact = f"cannot be combined with {what}: {error.errors()[0]['msg']}"
            return None, [document.problem((), fact, "change one of them")]
    if not definition.image:
        remedy = "add it, or name a preset that has one in `game:`"
        return None, [document.problem(("image",), "is required", remedy)]
    return _replaced(document, definition)


def layers(
    document: Document, settings: Settings, presets: Presets
) -> tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """List the layers from the lowest up: preset, fleet defaults, definition as written."""
    preset = presets.get(game_of(document, settings) or "")
    return preset.data if preset else {}, settings.defaults, document.data or {}


def game_of(document: Document, settings: Settings) -> str | None:
    """Name the preset of a definition: its own, else the one of the defaults."""
    own = document.definition.game if document.definition else None
    default = settings.defaults.get("game")
    return own or (str(default) if default is not None else None)


def _preset_problem(document: Document, game: str, presets: Presets) -> Problem | None:
    preset = presets.get(game)
    if preset is None:
        close = difflib.get_close_matches(game, presets, n=1)
        names = ", ".join(sorted(presets)) or "none"
        remedy = f"did you mean {close[0]!r}?" if close else f"known: {names}"
        return document.problem(("game",), f"there is no preset {game!r}", remedy)
    if preset.problems:
        fact = f"the preset cannot be used: {preset.problems[0]}"
        return document.problem(("game",), fact)
    return None


def _replaced(
    document: Document, definition: Definition
) -> tuple[Definition | None, list[Problem]]:
    """Replace `${…}` by values."""
    problems: list[Problem] = []

    def replaced(text: str, path: Path) -> str:
        def value(match: re.Match[str]) -> str:
            if len(problems) >= MAX_PROBLEMS:
                return ""
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
    if (env, labels, command) == (definition.env, definition.labels, definition.command):
        return definition, []  # shared: of ten thousand, copies would take 30 MB
    return definition.model_copy(update={"env": env, "labels": labels, "command": command}), []


def refers_to(text: str, port: str) -> bool:
    """Say whether a text holds `${ports.KEY}`."""
    return any(match.groups() == ("ports", port) for match in _REFERENCE.finditer(text))


def _lookup(definition: Definition, name: str, match: re.Match[str]) -> str:
    kind, key = match.groups()
    if kind == "ports" and key in definition.ports:
        return str(definition.ports[key].host)
    if kind == "server" and key == "name":
        return name
    known = [*(f"ports.{each}" for each in list(definition.ports)[:_LIKELY]), "server.name"]
    close = difflib.get_close_matches(f"{kind}.{key}"[:100], known, n=1) or known
    raise KeyError(f"{match[0][:100]} stands for nothing", f"use e.g. ${{{close[0]}}}")


def _overlay(below: Any, above: Any) -> Any:
    """Lay one tree over another: mappings merge key by key, anything else replaces."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _overlay(below.get(key), each) for key, each in above.items()}}
    return above
