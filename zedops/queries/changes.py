"""The effect of edits not pushed yet: `plan`, `diff` and `validate`. Pure.

The manager answers these through its control socket; without a manager, commands compute them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from zedops.errors import UsageError
from zedops.fleet import checks
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states, placeholder_id
from zedops.fleet.lint import advise
from zedops.fleet.preview import Forecast, judge, leaves, preview, rebase
from zedops.queries.output import Difference, Planned, PlannedServer, Validated
from zedops.spec import strays
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH, Kind, kind_of

_NONE: Mapping[str, object] = MappingProxyType({})


def propose(hub: Fleet, base: Fleet, mine: Fleet, now: datetime) -> tuple[Fleet, set[str]]:
    """Apply the edits since `base` to the hub's fleet; return that fleet and the edited paths."""
    made, paths = rebase(base, mine, hub)
    return carry_over_states(hub, made, paths, placeholder_id, now), paths


def plan(
    hub: Fleet, proposed: Fleet, paths: set[str], server: str | None,
    files: Mapping[str, object] = _NONE, options: Sequence[str] = (),
) -> Planned:
    """Predict the effect of a push on each server, or on one.

    `files`: the edited files by path, also those outside the fleet; see `strays`. `options`: those
    of the push, such as `allow-delete=NAME`.
    """
    known = {each.name for fleet in (hub, proposed)
             for each in (*fleet.servers(), *fleet.tombstones())}
    if server is not None and server not in known:
        raise UsageError(f"no server {server!r}; `zedops list --all` lists all")
    problems = judge(hub, proposed, paths, options)
    rows = [each for each in preview(hub, proposed, paths, problems)
            if server in (None, each.server)]
    warnings = [*advise(proposed, paths), *strays.find(files)]
    if server is not None:
        shown = {each.path for each in rows}
        problems = [each for each in problems if each.path in shown]
        warnings = [each for each in warnings if each.path in shown]
    return Planned(
        [_planned(each) for each in rows],
        [str(each) for each in problems],
        [str(each) for each in warnings],
    )


def _planned(each: Forecast) -> PlannedServer:
    problems = [str(one) for one in each.problems]
    return PlannedServer(each.server, each.path, each.host, each.effect.value, list(each.because),
                         each.data, problems)


def compare(hub: Fleet, proposed: Fleet) -> list[Difference]:
    """List the servers that differ, with changed fields."""
    rows = []
    paths = {path for path in hub.documents.keys() | proposed.documents.keys()
             if kind_of(path) is Kind.SERVER}
    under = (hub.settings, hub.presets) == (proposed.settings, proposed.presets)
    for path in sorted(paths):
        before, after = hub.documents.get(path), proposed.documents.get(path)
        if under and before is after and not (after and after.problems):
            continue
        one, other = _flat(hub, before), _flat(proposed, after)
        if one == other and not (after and after.problems):
            continue
        change = "new" if before is None else "deleted" if after is None else "changed"
        if after is not None and after.problems:
            change = f"cannot be read: {after.problems[0]}"
        fields = {key: [one.get(key), other.get(key)] for key in sorted(one.keys() | other.keys())
                  if one.get(key) != other.get(key) and change == "changed"}
        name = (after or before or Document(path, "")).name
        rows.append(Difference(name, path, change, fields))
    return rows


def validate(mine: Fleet, files: Mapping[str, object] = _NONE) -> Validated:
    """Check every file of a working copy."""
    presets = {each.path for each in mine.presets.values()}
    paths = {*mine.documents, *presets, SETTINGS_PATH}
    warnings = [*advise(mine, paths), *strays.find(files)]
    return Validated(checks.check(mine, paths), warnings, sum(1 for _ in mine.servers()))


def _flat(fleet: Fleet, document: Document | None) -> dict[str, Any]:
    if document is None:
        return {}
    definition, _ = fleet.resolve(document)
    return leaves(definition.model_dump(mode="json")) if definition else {}
