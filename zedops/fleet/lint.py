"""Warns about definitions that are allowed but probably a mistake; never refuses. Pure.

The needs of an image come from its preset, also for a definition that names the image alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.model import Definition
from zedops.spec.preset import Preset
from zedops.spec.quantities import format_duration, format_size, parse_size
from zedops.spec.secret_values import is_secret

#: Values of Compose's `restart:`; YAML 1.1 reads `no` as a boolean, zedops reads it as text.
_POLICIES = ("always", "unless-stopped", "on-failure", "no")


def advise(fleet: Fleet, changed: Iterable[str]) -> list[Problem]:
    """Find probable mistakes in the changed paths and in the files that depend on them."""
    found: list[Problem] = []
    for path in sorted(fleet.reach(changed)):
        each = fleet.documents.get(path)
        if each is None or kind_of(path) is not Kind.SERVER:
            continue
        definition, _ = fleet.resolve(each)
        found += _plain_secrets(each)
        found += _restart_policy(each)
        preset = definition and _preset_of(fleet, each, definition)
        if definition and preset:
            found += _short_grace(each, definition, preset)
            found += _large_heap(each, definition, preset)
    return found


def _plain_secrets(each: Document) -> Iterator[Problem]:
    """Find variables that look like secrets. No message contains their values."""
    for name, value in (each.definition.env if each.definition else {}).items():
        if not is_secret(name, value):
            continue
        fact = "looks like a secret, and everyone with a clone can read it"
        remedy = f"remove the line, then `zedops secret encrypt {each.name} {name}` with a new one"
        yield each.problem(("env", name), fact, remedy)


def _restart_policy(each: Document) -> Iterator[Problem]:
    """Find policies of Compose in `restart:`; here each new value asks for one restart."""
    value = each.definition.restart if each.definition else None
    if value in _POLICIES:
        fact = f"{value!r} asks for one restart; zedops starts servers again by itself"
        yield each.problem(("restart",), fact, "remove the line")


def repository(image: str) -> str:
    """Cut tag and digest off an image's name."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


def _preset_of(fleet: Fleet, each: Document, definition: Definition) -> Preset | None:
    """Find the preset of an image: the one that is named, or another with the same image."""
    image = repository(definition.image)
    named = fleet.presets.get(fleet.game(each) or "")
    for preset in (*([named] if named else []), *fleet.presets.values()):
        theirs = str(preset.data.get("image", ""))
        if theirs and repository(theirs) == image and not preset.problems:
            return preset
    return None


def _short_grace(each: Document, definition: Definition, preset: Preset) -> Iterator[Problem]:
    least, grace = preset.about.least_grace, definition.stop.grace
    if least is not None and grace < least:
        fact = (f"{format_duration(grace)} is shorter than the {format_duration(least)} that"
                f" {repository(definition.image)} needs to save its world")
        yield each.problem(("stop", "grace"), fact, f"write `stop: {{grace: {least:g}s}}`")


def _large_heap(each: Document, definition: Definition, preset: Preset) -> Iterator[Problem]:
    limit = definition.limits.memory
    for name, unit_bytes in preset.about.heap.items():
        value = definition.env.get(name)
        heap = _bytes(value, unit_bytes) if value is not None else None
        if limit is not None and heap is not None and heap >= limit:
            fact = (f"{value} leaves the game nothing beside its heap: the memory limit is"
                    f" {format_size(limit)}")
            yield each.problem(("env", name), fact, "raise limits.memory, or lower this")
            return


def _bytes(text: str, unit_bytes: int) -> int | None:
    if text.isdecimal():
        return int(text) * unit_bytes
    try:
        return parse_size(text)
    except ValueError:
        return None  # e.g. a share of the memory, which always fits
