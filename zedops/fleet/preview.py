"""Predicts what a change of the fleet will do to its servers. Pure.

The agent decides from the state of its host, a forecast from git; both use the same rule
(`change`). A forecast covers the change alone, not repairs that happen anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from zedops.errors import Problem
from zedops.fleet.checks import check
from zedops.fleet.deletions import check_deletions, check_name, check_volumes, purges_at_once
from zedops.fleet.fleet import Fleet
from zedops.fleet.moving import move_of
from zedops.spec.change import change
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH, Kind, kind_of, preset_path
from zedops.spec.model import Definition, Desired
from zedops.spec.quantities import format_duration, readable
from zedops.spec.validation import MAX_PROBLEMS
from zedops.spec.volume import VolumeKind

#: Most servers that a push lists one by one, and most fields of each.
_LINES, _FIELDS = 10, 2
_TEXT_MAX = 40


class Effect(StrEnum):
    """The effect of a change on one server."""

    NOTHING = "nothing"
    IN_PLACE = "in place"  #: applied; the container runs on
    RESTART = "restart"
    RECREATE = "recreate"
    CREATE = "create"
    START = "start"
    STOP = "stop"
    MOVE = "move"  #: removed on one host, made on another
    DELETE = "delete"
    PURGE = "purge"  #: a deleted server's data is removed
    FORGET = "forget"  #: a deleted server's file goes, its data stays where it is
    REFUSED = "refused"


@dataclass(frozen=True)
class Forecast:
    """The effect on one server, its reasons, and the fate of its data."""

    server: str
    path: str
    host: str | None
    effect: Effect
    because: tuple[str, ...] = ()
    data: str | None = None
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        shown = [*self.because[:_FIELDS]]
        if len(self.because) > _FIELDS:
            shown.append(f"{len(self.because) - _FIELDS} more")
        why = f" ({'; '.join(shown)})" if shown else ""
        return f"{self.server}: {self.effect}{why}{f', data {self.data}' if self.data else ''}"


def judge(
    before: Fleet, after: Fleet, paths: Iterable[str], options: Iterable[str] = ()
) -> list[Problem]:
    """Check a change against every rule; `before` and `after` have trusted states."""
    said, changed = tuple(options), set(paths)
    return [
        *_new_problems(before, after, changed),
        *check_deletions(before, after, said),
        *check_volumes(before, after, said),
        *check_name(before, after),
    ]


def _new_problems(before: Fleet, after: Fleet, changed: set[str]) -> list[Problem]:
    """Find the problems of a change, without those that unchanged files had before it.

    A newer zedops may find more in a fleet's files; each would refuse every push of the settings.
    """
    found = check(after, changed)
    old = {each.path for each in found} - changed
    if not old or len(found) >= MAX_PROBLEMS:  # a check that stops there may not have seen all
        return found
    known = {(each.path, each.field, each.fact) for each in check(before, old)}
    return [each for each in found
            if each.path in changed or (each.path, each.field, each.fact) not in known]


def preview(
    before: Fleet, after: Fleet, paths: Iterable[str], problems: Iterable[Problem] = ()
) -> list[Forecast]:
    """Predict the effect of changed paths, server by server."""
    touched = after.reach(paths)
    wrong: dict[str, list[Problem]] = {}
    for problem in problems:
        wrong.setdefault(problem.path, []).append(problem)
    rows = []
    for path in sorted(touched):
        new, old = after.documents.get(path), before.documents.get(path)
        if new is not None and path in wrong:
            found = tuple(wrong[path])
            rows.append(Forecast(new.name, path, _host(after, new), Effect.REFUSED, problems=found))
        elif new is not None and kind_of(path) is Kind.SERVER:
            rows.append(_living(before, after, before.owner(new.id), new))
        elif old is not None and kind_of(path) is Kind.SERVER and not after.is_living(old.id):
            rows.append(_deleted(before, after, old))
        elif old is not None and kind_of(path) is Kind.TOMBSTONE and not after.is_living(old.id):
            rows += _buried(after, old, new)
    return rows


def lines(rows: Iterable[Forecast]) -> list[str]:
    """Write forecasts as short lines for a push; unchanged servers are left out."""
    told = [each for each in rows if each.effect is not Effect.NOTHING]
    shown = [f"plan: {each}" for each in told[:_LINES]]
    if rest := told[_LINES:]:
        counts = Counter(each.effect for each in rest)
        kinds = ", ".join(f"{count} {effect}" for effect, count in counts.items())
        shown.append(f"plan: and {len(rest)} more: {kinds}")
    return shown


def _living(before: Fleet, after: Fleet, old: Document | None, new: Document) -> Forecast:
    now = after.resolve(new)[0]
    was = before.resolve(old)[0] if old is not None else None
    row = Forecast(new.name, new.path, _host(after, new), Effect.CREATE)
    if old is not None and old.head == new.head and was is now is None:
        return replace(row, effect=Effect.NOTHING)
    if old is None or old.state is None or now is None:
        return replace(row, data=_new_data(None, now))
    if kind_of(old.path) is Kind.TOMBSTONE:
        kept = "kept" if old.state.data_exists else None
        return replace(row, because=("restored",), data=kept)
    if old.state.commit is None:
        return row
    if was is None:
        return replace(row, effect=Effect.RECREATE, because=("it could not be read before",))
    if was == now and old.name == new.name:
        return replace(row, effect=Effect.NOTHING)
    because = tuple(f"{key}: {_text(one)} → {_text(other)}"
                    for key, (one, other) in differences(was, now).items())
    if old.name != new.name:
        because = (f"renamed from {old.name}", *because)
    host, leaves = after.place(new)
    if leaves:
        where = f"host: {host} → {after.host_of(new)}"
        left = f"stays on {host}, to be brought over" if old.state.has_world else None
        return replace(row, effect=Effect.MOVE, because=(where,), data=left)
    if (move := move_of(after, new)) is not None and move.acts == move.old:
        where = f"host: {move.old} → {move.new}"
        return replace(row, effect=Effect.MOVE, because=(where,), data="brought over")
    effect = _effect(was, now)
    effect = Effect.IN_PLACE if effect is Effect.NOTHING else effect  # at least the name changed
    return replace(row, effect=effect, because=because, data=_data(old, was, now, effect))


def _effect(was: Definition, now: Definition) -> Effect:
    """Combine the effects of a changed definition and a changed `desired`."""
    found = Effect(change(was, now))
    stops = now.desired is Desired.STOPPED
    if found is Effect.RECREATE:
        return found
    if was.desired is not now.desired:
        return Effect.STOP if stops else Effect.START
    return Effect.IN_PLACE if stops and found is Effect.RESTART else found


def _data(old: Document, was: Definition, now: Definition, effect: Effect) -> str | None:
    """Describe the fate of the data: left behind, new and empty, or kept."""
    if old.state is None or effect in (Effect.NOTHING, Effect.IN_PLACE):
        return None
    places = {key: each.source for key, each in now.volumes.items()}
    left = [key for key, each in was.volumes.items() if each.kind is VolumeKind.DATA
            and (key not in places or places[key] != each.source)]
    if left and old.state.data_exists:
        return f"left behind: {', '.join(left)}"
    return _new_data(was, now) or ("kept" if old.state.data_exists else None)


def _new_data(was: Definition | None, now: Definition | None) -> str | None:
    if was is None or now is None:
        return None
    added = [key for key, each in now.volumes.items()
             if each.kind is VolumeKind.DATA and key not in was.volumes]
    return f"kept; new and empty: {', '.join(added)}" if added else None


def _deleted(before: Fleet, after: Fleet, old: Document) -> Forecast:
    has_data = old.state is not None and old.state.data_exists
    row = Forecast(old.name, old.path, _host(after, old), Effect.DELETE)
    if purges_at_once(after, old):
        stopped = ("it is stopped first",)
        return replace(row, effect=Effect.PURGE, because=stopped, data="removed at once")
    rules = (before.settings, after.settings)  # the stricter ones bind
    kept = f"kept for {format_duration(max(each.retention for each in rules))}"
    if all(each.purge_data for each in rules):
        kept += ", then removed"
    return replace(row, data=kept if has_data else None)


def _buried(after: Fleet, old: Document, new: Document | None) -> list[Forecast]:
    """Predict the effect of a changed tombstone."""
    row = Forecast(old.name, old.path, _host(after, old), Effect.FORGET)
    has_data = old.state is not None and old.state.data_exists
    if new is None:
        return [replace(row, data="stays on its host" if has_data else None)]
    asked = [bool(each.definition and each.definition.purge) for each in (old, new)]
    if asked == [False, True]:
        return [replace(row, effect=Effect.PURGE, data="removed" if has_data else None)]
    return []


def _host(fleet: Fleet, each: Document) -> str | None:
    return fleet.host_of(each) or (each.state.host if each.state else None)


def differences(was: Definition, now: Definition) -> dict[str, tuple[Any, Any]]:
    """List the fields in which two resolved definitions differ: (before, after)."""
    one, other = leaves(was.model_dump(mode="json")), leaves(now.model_dump(mode="json"))
    # every empty value counts as unset
    pairs = {key: (one.get(key) or None, other.get(key) or None)
             for key in dict.fromkeys([*other, *one])}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def leaves(value: object, name: str = "") -> dict[str, Any]:
    """Flatten a tree of mappings: `{"stop.grace": …}`."""
    if isinstance(value, dict) and value:
        flat: dict[str, Any] = {}
        for key, each in value.items():
            flat |= leaves(each, f"{name}.{key}" if name else key)
        return flat
    return {name: value}


def _text(value: object) -> str:
    text = "unset" if value is None else readable(str(value))
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"


def rebase(base: Fleet, mine: Fleet, hub: Fleet) -> tuple[Fleet, set[str]]:
    """Apply the edits of `mine` since `base` to the hub's newest fleet; return it and their paths.

    A working copy that is behind must not appear to revert the newer changes of others.
    """
    paths = {path for path in base.documents.keys() | mine.documents.keys()
             if _written(base, path) != _written(mine, path)}
    made = hub.with_documents({path: mine.documents.get(path) for path in paths})
    presets: Mapping[str, Any] = hub.presets
    for name in mine.presets_since(base):
        paths.add(preset_path(name))
        presets = {key: each for key, each in presets.items() if key != name}
        if name in mine.presets:
            presets = {**presets, name: mine.presets[name]}
    if (mine.settings, mine.problems) != (base.settings, base.problems):
        paths.add(SETTINGS_PATH)
        made = replace(made, settings=mine.settings, problems=mine.problems)
    return replace(made, presets=presets), paths


def _written(fleet: Fleet, path: str) -> str | None:
    each = fleet.documents.get(path)
    return each.head if each else None

