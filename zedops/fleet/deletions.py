"""The deletion budget: how much one push may delete without a confirmation. Pure.

An emptied `servers.d/` (a bad merge, a faulty script) looks like a wish to delete everything.
zedops would keep the data, but stop every world: such a push needs a confirmation.
"""

from __future__ import annotations

from collections.abc import Iterable

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.layout import SERVERS, SETTINGS_PATH, Kind, kind_of
from zedops.spec.volume import VolumeKind

_OPTION = "allow-delete="
#: The confirmation of a push.
PUSH = "git push -o allow-delete="
#: The confirmation in a commit's message, for commits that reach zedops through another remote.
TRAILER = "Zedops-Allow-Delete"
COMMIT = f"do it again in a commit with the line `{TRAILER}: "


def allowed(options: Iterable[str]) -> set[str]:
    """Read `-o allow-delete=NAME[,NAME…]` or `=all`."""
    named = [each.removeprefix(_OPTION) for each in options if each.startswith(_OPTION)]
    return {name.strip() for each in named for name in each.split(",")}


def check_deletions(before: Fleet, after: Fleet, options: Iterable[str]) -> list[Problem]:
    """Find deletions beyond the budget; `before` and `after` have trusted states."""
    unsaid, fact = excess(before, after, options, "push")
    if not unsaid:
        return []
    remedy = f"if you mean it: {PUSH}{_named(unsaid, after)}"
    return [Problem(f"{SERVERS}/", 0, 0, "", fact, remedy)]


def hold_back(before: Fleet, after: Fleet, options: Iterable[str]) -> dict[str, Problem]:
    """Find, by path, the deletions to hold back from a commit that cannot be refused."""
    unsaid, fact = excess(before, after, options, "commit")
    remedy = f"if you mean it, {COMMIT}{_named(unsaid, after)}`"
    return {
        each.path: Problem(each.path, 0, 0, "", f"{NOT_DELETED}: {fact}", remedy)
        for each in unsaid
    }


#: The state of a server whose deletion was not followed begins with this.
NOT_DELETED = "its deletion is held back"
#: The same for a change that cannot be a definition at all.
PASSED_OVER = "a change of it is passed over"


def _named(servers: Iterable[Document], after: Fleet) -> str:
    found = list(servers)
    names = ",".join(sorted(each.name for each in found))
    whole = len(names) < 60 or any(purges_at_once(after, each) for each in found)
    return names if whole else "all"


def purges_at_once(after: Fleet, each: Document) -> bool:
    """Tell whether one change both deletes a living server and purges its data."""
    grave = after.owner(each.id)
    return grave is not None and kind_of(grave.path) is Kind.TOMBSTONE and bool(
        grave.definition and grave.definition.purge
    )


def excess(
    before: Fleet, after: Fleet, options: Iterable[str], what: str
) -> tuple[list[Document], str]:
    """Find the servers whose deletion needs a confirmation, and why; none within the budget."""
    may = allowed(options)
    paths = sorted(path for path in after.differing(before) if kind_of(path) is Kind.SERVER)
    were = [before.documents[path] for path in paths if path in before.documents]
    gone = [each for each in were if not after.is_living(each.id)]
    unsaid = [each for each in gone if each.name not in may]
    if purged := [each for each in unsaid if purges_at_once(after, each)]:
        names = ", ".join(each.name for each in purged)
        fact = f"this {what} would remove the data of servers that are not deleted yet ({names})"
        return purged, fact
    if "all" in may:
        return [], ""
    emptied = len(gone) > 1 and next(after.servers(), None) is None
    with_data = [each for each in unsaid if each.state and each.state.has_world]
    budget = min(each.settings.deletion_budget for each in (before, after))
    if emptied and unsaid:
        return unsaid, f"this {what} would delete every server ({len(gone)})"
    if len(with_data) <= budget:
        return [], ""
    fact = f"this {what} would delete {len(with_data)} servers with data, more than {budget}"
    return unsaid, fact


def check_volumes(
    before: Fleet, after: Fleet, options: Iterable[str], how: str = PUSH
) -> list[Problem]:
    """Find data volumes that a changed definition would leave behind, starting a fresh world.

    `how` is the confirmation that the remedy names: of a push (PUSH) or of a commit (COMMIT).
    """
    may = allowed(options)
    if "all" in may:
        return []
    if before.settings.defaults == after.settings.defaults:
        paths = after.differing(before) | after.users(after.presets_since(before))
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
        if old.head == each.head and _laid_under(before, old) == _laid_under(after, each):
            continue
        for key in sorted(_data_volumes(before, old) - _data_volumes(after, each)):
            fact = f"the data volume {key!r} would be left behind with its content"
            remedy = (
                "keep its key, which names its directory; if you mean it: "
                f"{how}{each.name}{'`' if how is COMMIT else ''}"
            )
            problems.append(each.problem(("volumes",), fact, remedy))
    return problems


def _laid_under(fleet: Fleet, each: Document) -> object:
    preset = fleet.presets.get(fleet.game(each) or "")
    return fleet.settings.defaults, preset and preset.data


def _data_volumes(fleet: Fleet, each: Document) -> set[str]:
    definition, _ = fleet.resolve(each)
    if definition is None or each.state is None or not each.state.has_world:
        return set()
    return {key for key, each in definition.volumes.items() if each.kind is VolumeKind.DATA}


def check_name(before: Fleet, after: Fleet) -> list[Problem]:
    """Refuse another name for a fleet that has servers: containers and data carry the old one."""
    old, new = before.settings.name, after.settings.name
    if old == new or not before.documents:
        return []
    fact = f"the fleet's name is {old!r}, and its servers' containers and data carry that name"
    remedy = f"set it back to `name: {old}`"
    return [Problem(SETTINGS_PATH, 0, 0, "name", fact, remedy)]
