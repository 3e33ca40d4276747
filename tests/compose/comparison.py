"""Compares what Compose and zedops would create, field by field. Pure.

A difference is *told* if a note or a refusal of the import names its key; any other is *silent*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.compose import composed, made
from zedops.scaffold.compose import collect
from zedops.scaffold.compose.network import keep_names
from zedops.scaffold.compose.project import Reader, chosen
from zedops.scaffold.compose.reading import IsFile, Translation
from zedops.scaffold.compose.services import translate
from zedops.scaffold.compose.variables import Read
from zedops.scaffold.container import server_name
from zedops.spec import stop_signals

#: What zedops sets where a compose file is silent, and no import has to repeat.
_FREE = {"stop_signal", "stop_grace_period"}
#: A note must name the very key of these.
_BY_NAME = {"environment", "labels", "sysctls", "extra_hosts"}
#: Words of a note that tell of a fact with another name.
_WORDS = {"networks": ("network",), "replicas": ("replicas",), "reservations": ("reserv",),
          "pids_limit": ("limits.pids",), "mem_limit": ("memory",), "tmpfs": ("tmpfs", "volumes"),
          "restart_policy": ("restart",)}


@dataclass(frozen=True)
class Difference:
    """One field of one service that the two would create differently."""

    service: str
    field: str
    compose: Any
    zedops: Any
    told: str  #: the note or refusal that names it; empty: silent


@dataclass(frozen=True)
class Import:
    """One file as zedops imports it, or the error that refuses it as a whole."""

    services: Mapping[str, Translation]
    notes: Sequence[str]
    error: str = ""


def read(path: str, open_file: Read, is_file: IsFile, environment: Mapping[str, str]) -> Import:
    """Import a compose file as `zedops import` does."""
    try:
        project = Reader(open_file, environment).project(path)
        found = [translate(each, project, open_file, is_file)
                 for each in chosen(project, (), ())]
    except ValueError as error:
        return Import({}, (), str(error))
    notes = [*project.notes, *collect.settle(found)]
    for each in found:
        keep_names(each.fields, each.answers_to, server_name(each.name))
    collect.refuse_invalid(found)
    servers = {each.name: server_name(each.name) for each in found if not each.refused}
    for each in found:
        if note := collect.write_order(each.fields, each.needs, servers):
            each.notes.append(note)
    return Import({each.name: each for each in found}, notes)


def compare(imported: Import, config: Mapping[str, Any] | None) -> list[Difference]:
    """List the differences; `config` None: Compose refuses the file."""
    if config is None or imported.error:
        both = config is None and (imported.error or any(
            each.refused for each in imported.services.values()))
        zedops = imported.error or "imports it"
        said = "refuses it" if config is None else "reads it"
        return [] if both else [Difference("", "file", said, zedops, imported.error)]
    found = []
    for name, facts in composed.facts_of(config).items():
        if (service := imported.services.get(name)) is None:
            found.append(Difference(name, "service", "creates it", None, ""))
        elif service.refused:
            found.append(Difference(name, "service", "creates it", "refuses it",
                                    "; ".join(service.refused)))
        else:
            found += _service(service, imported.notes, facts)
    return found + [Difference(name, "service", None, "creates it", "")
                    for name in imported.services if name not in config.get("services", {})]


def _service(
    service: Translation, notes: Sequence[str], compose: composed.Facts
) -> list[Difference]:
    try:
        zedops = made.facts_of(service)
    except ValueError as error:
        return [Difference(service.name, "definition", "creates it", str(error), "")]
    found = []
    for field in sorted({*compose, *zedops}):
        one, other = compose.get(field), zedops.get(field)
        if _same(field, one, other) or (field in _FREE and one is None):
            continue
        told = _told(field, [*service.notes, *notes])
        found.append(Difference(service.name, field, one, other, told))
    return found


def _same(field: str, compose: Any, zedops: Any) -> bool:
    if compose == zedops or (not compose and not zedops):
        return True
    if field.startswith("networks.") and isinstance(compose, list):
        return set(compose) <= set(zedops or ())  # one name more does no harm
    if field == "stop_signal" and compose:
        said = compose.removeprefix("SIG")
        return stop_signals.number(zedops) == (int(said) if said.isdigit() else
                                               stop_signals.number(compose))
    if field == "restart":
        return compose in ("always", "unless-stopped")
    if field.startswith("tmpfs."):
        return _options(compose) == _options(zedops)
    return field == "pull_policy" and compose in (None, "missing", "if_not_present")


def _options(said: Any) -> set[str]:
    if isinstance(said, dict):
        return {f"{key}={each}" for key, each in said.items()}
    return set((said or "").split(",")) - {""}


def _told(field: str, notes: Sequence[str]) -> str:
    stem, _, rest = field.partition(".")
    words = (rest,) if stem in _BY_NAME else _WORDS.get(stem, (stem,))
    return next((each for each in notes if any(word in each for word in words)), "")


def table(differences: Sequence[Difference]) -> str:
    """Write differences as a table, the silent ones first."""
    rows = [("", "service", "field", "compose", "zedops")]
    for each in sorted(differences, key=lambda each: bool(each.told)):
        kind = "told" if each.told else "SILENT"
        rows.append((kind, each.service, each.field, str(each.compose), str(each.zedops)))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )
