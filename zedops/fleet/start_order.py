"""Finds servers of a fleet that wait for others which they cannot wait for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec.dependencies import cycle_of
from zedops.spec.document import Document


def problems(fleet: Fleet, touched: Iterable[Document]) -> list[Problem]:
    """Find `depends_on` of changed servers that names no server of its host, or makes a ring."""
    waiting = [(each, names) for each in touched if (names := _needs(fleet, each))]
    if not waiting:
        return []
    servers = {each.name: each for each in fleet.servers()}
    needs = {name: _needs(fleet, each) for name, each in servers.items()}
    found = []
    for document, names in waiting:
        for name in names:
            if (fact := _fact(fleet, document, servers.get(name))) is not None:
                remedy = "correct the name, or remove it"
                found.append(document.problem(("depends_on",), f"{name!r} {fact}", remedy))
        if way := cycle_of(document.name, needs):
            fact = f"these wait for each other: {' → '.join(way)}"
            found.append(document.problem(("depends_on",), fact, "remove one of them"))
    return found


def _needs(fleet: Fleet, document: Document) -> tuple[str, ...]:
    """Name the servers that one waits for; its preset and the defaults count."""
    definition = document.definition
    if definition is None:
        return ()
    if "depends_on" in fleet.settings.defaults or _has_preset_order(fleet, document):
        definition = fleet.resolve(document)[0] or definition
    return tuple(definition.depends_on)


def _has_preset_order(fleet: Fleet, document: Document) -> bool:
    game = fleet.game(document)
    preset = fleet.presets.get(game) if game else None
    return preset is not None and "depends_on" in preset.data


def _fact(fleet: Fleet, document: Document, other: Document | None) -> str | None:
    if other is None:
        return "is no server of this fleet"
    host, mine = fleet.host_of(other), fleet.host_of(document)
    return f"is on {host!r}; an order is kept on one host" if host != mine else None
