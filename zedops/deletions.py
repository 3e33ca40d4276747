"""The deletion budget: what one push may delete without saying so twice. Pure.

An emptied `servers.d/` (a bad merge, a script gone wrong) looks like a wish to delete everything.
Data would be kept, but every world would stop: such a push must say what it means.
"""

from __future__ import annotations

from collections.abc import Iterable

from zedops.document import Document
from zedops.errors import Problem
from zedops.fleet import SERVERS, SETTINGS_PATH, Fleet, Kind, kind_of
from zedops.model import VolumeKind
from zedops.resolve import resolve

_OPTION = "allow-delete="


def allowed(options: Iterable[str]) -> set[str]:
    """Read `-o allow-delete=NAME[,NAME…]` or `=all`."""
    named = [each.removeprefix(_OPTION) for each in options if each.startswith(_OPTION)]
    return {name.strip() for each in named for name in each.split(",")}


def check_deletions(before: Fleet, after: Fleet, options: Iterable[str]) -> list[Problem]:
    """Find deletions beyond the budget: `before` and `after` with trusted states."""
    may = allowed(options)
    if "all" in may:
        return []
    paths = sorted(path for path in after.differing(before) if kind_of(path) is Kind.SERVER)
    were = [before.documents[path] for path in paths if path in before.documents]
    gone = [each for each in were if not _lives(after, each.id)]
    unsaid = [each for each in gone if each.name not in may]
    emptied = len(gone) > 1 and next(after.servers(), None) is None
    with_data = [each for each in unsaid if each.state and each.state.data_exists]
    budget = after.settings.deletion_budget
    if not (emptied and unsaid) and len(with_data) <= budget:
        return []
    names = ",".join(sorted(each.name for each in unsaid))
    remedy = f"if you mean it: git push -o allow-delete={names if len(names) < 60 else 'all'}"
    if emptied:
        fact = f"this push would delete every server ({len(gone)})"
    else:
        fact = f"this push would delete {len(with_data)} servers with data, more than {budget}"
    return [Problem(f"{SERVERS}/", 0, 0, "", fact, remedy)]


def check_volumes(before: Fleet, after: Fleet, options: Iterable[str]) -> list[Problem]:
    """Find data volumes that a changed definition would leave behind, starting a fresh world."""
    may = allowed(options)
    if "all" in may:
        return []
    if before.settings.defaults == after.settings.defaults:
        paths = after.differing(before)
    else:
        paths = set(after.documents)
    problems = []
    for path in sorted(path for path in paths if path in after.documents):
        each = after.documents[path]
        old = before.owner(each.id)
        if old is None or not (kind_of(path) is kind_of(old.path) is Kind.SERVER):
            continue
        if each.definition is None or each.name in may:
            continue
        if old.head == each.head and before.settings.defaults == after.settings.defaults:
            continue
        for key in sorted(_data_volumes(before, old) - _data_volumes(after, each)):
            fact = f"the data volume {key!r} would be left behind with what is in it"
            remedy = (
                "keep its key, which names its directory; if you mean it: "
                f"git push -o allow-delete={each.name}"
            )
            problems.append(each.problem(("volumes",), fact, remedy))
    return problems


def _lives(fleet: Fleet, server_id: str | None) -> bool:
    owner = fleet.owner(server_id)
    return owner is not None and kind_of(owner.path) is Kind.SERVER


def _data_volumes(fleet: Fleet, each: Document) -> set[str]:
    definition, _ = resolve(each, fleet.settings)
    if definition is None or each.state is None or not each.state.data_exists:
        return set()
    return {key for key, each in definition.volumes.items() if each.kind is VolumeKind.DATA}


def check_name(before: Fleet, after: Fleet) -> list[Problem]:
    """Refuse another name for a fleet that has servers: containers and data carry the old one."""
    old, new = before.settings.name, after.settings.name
    if old == new or not before.documents:
        return []
    fact = f"the fleet is {old!r} and has servers whose containers and data say so"
    remedy = f"set it back to `name: {old}`"
    return [Problem(SETTINGS_PATH, 0, 0, "name", fact, remedy)]
