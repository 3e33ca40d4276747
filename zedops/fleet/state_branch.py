"""Joins two branches of one fleet: people's definitions and zedops' states. Pure."""

from __future__ import annotations

from dataclasses import replace

from zedops.fleet.fleet import Fleet
from zedops.spec import state_block
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of


def with_states(definitions: Fleet, states: Fleet) -> Fleet:
    """Join definitions with states; tombstones and servers that still run come from `states`."""
    found: dict[str, Document] = {}
    for path, each in definitions.documents.items():
        known = states.documents.get(path)
        if known is None and kind_of(path) is Kind.TOMBSTONE:
            continue  # zedops has done the request in it and removed it
        found[path] = replace(each, state=known.state) if known is not None else each
    living = {each.id for path, each in found.items() if kind_of(path) is Kind.SERVER and each.id}
    rest = {
        path: each for path, each in states.documents.items()
        if path not in found and each.id not in living
    }  # fmt: skip
    return replace(definitions, documents={**found, **rest})


def without_state(content: bytes) -> bytes:
    """Cut a file down to its definition, byte for byte."""
    text = content.decode("utf-8", "surrogateescape")
    return state_block.split(text)[0].encode("utf-8", "surrogateescape")
