"""Finds servers of a fleet with volumes that conflict on their host. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.sources import REMEDY, Place, Places, conflict, places


def problems(fleet: Fleet, touched: Iterable[Document]) -> list[Problem]:
    """Find the volumes of changed servers that conflict with other volumes on their host."""
    mine = [(each, place) for each in touched for place in _of(fleet, each)]
    if not mine:
        return []
    others: dict[str | None, Places] = defaultdict(Places)
    for each in fleet.on({fleet.host_of(document) for document, _ in mine}):
        others[fleet.host_of(each)].add(_of(fleet, each))
    found = []
    for document, place in mine:
        said = (conflict(place, other) for other in others[fleet.host_of(document)].near(place))
        if fact := next((each for each in said if each), None):
            found.append(document.problem(("volumes", place.key), fact, REMEDY))
    return found


def _of(fleet: Fleet, document: Document) -> list[Place]:
    definition = document.definition
    if definition is None:
        return []
    if "volumes" in fleet.settings.defaults or _has_preset_sources(fleet, document):
        definition = fleet.resolve(document)[0] or definition
    return list(places(document.path, document.name, definition))


def _has_preset_sources(fleet: Fleet, document: Document) -> bool:
    """Say whether a server's preset names a source; few do, and resolving all is slow."""
    game = fleet.game(document)
    preset = fleet.presets.get(game) if game else None
    volumes = preset.data.get("volumes") if preset is not None else None
    named = volumes.values() if isinstance(volumes, dict) else ()
    return any(isinstance(each, dict) and "source" in each for each in named)
