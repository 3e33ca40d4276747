"""What is held back of commits that nobody could refuse: those of an upstream. Pure.

A push to the hub is refused as a whole. A commit on an upstream is there already, so what is wrong
with it blocks only itself: the server's last good definition goes on, and its state says why. What
is held is judged anew with every commit, because what stood in its way may be gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from zedops import checks
from zedops.access import NOT_ALLOWED
from zedops.deletions import COMMIT, NOT_DELETED, PASSED_OVER, check_name, check_volumes
from zedops.document import Document
from zedops.errors import Problem
from zedops.fleet import SETTINGS_PATH, Fleet, Kind, kind_of
from zedops.identity import succeed
from zedops.state_block import GOES_ON

_PLACEHOLDER_ID = "0" * 26


@dataclass(frozen=True)
class Held:
    """A file that is not followed: the last good one (if any), the one offered, by which commit."""

    good: Document | None
    offered: Document
    commit: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A fleet as it is to be taken in, what of it is held, and everything that is wrong."""

    fleet: Fleet
    held: Mapping[str, Held]
    #: The paths that were judged: those changed and those held before.
    judged: frozenset[str]
    problems: tuple[Problem, ...] = ()
    #: Newest commit by path, of files that are followed only now.
    commits: Mapping[str, str] = field(default_factory=dict)


def judge(
    before: Fleet,
    new: Fleet,
    changed: Iterable[str],
    held: Mapping[str, Held],
    commits: Mapping[str, str],
    options: Iterable[str],
    now: datetime,
) -> Verdict:
    """Judge what changed between the fleet that is followed and a newer one."""
    paths = set(changed)
    new, problems = _judge_settings(before, new, paths)
    kept = {path: each for path, each in held.items() if path in new.documents}
    good = before.with_documents({path: each.good for path, each in held.items() if each.good})
    offered = new.with_documents({
        path: replace(each.offered, state=new.documents[path].state)
        for path, each in kept.items() if path not in paths
    })  # fmt: skip
    judged = paths | kept.keys()
    trusted = succeed(good, offered, judged, lambda: _PLACEHOLDER_ID, now)
    bad = _bad(good, trusted, judged, tuple(options)) | _put_back(offered, paths)
    result = offered.with_documents(
        {path: replace(offered.documents[path], definition=None, problems=found)
         for path, found in bad.items()}
    )  # fmt: skip
    came = {path: kept[path].commit for path in kept.keys() - paths} | dict(commits)
    now_held = {
        path: Held(_last_good(good, trusted.documents[path]), offered.documents[path],
                   came.get(path))
        for path in bad
    }  # fmt: skip
    followed = {path: commit for path, commit in came.items() if commit and path not in bad}
    problems += [problem for found in bad.values() for problem in found]
    return Verdict(result, now_held, frozenset(judged), tuple(problems), followed)


def _judge_settings(before: Fleet, new: Fleet, paths: set[str]) -> tuple[Fleet, list[Problem]]:
    """Keep the last good settings where the new ones cannot be followed."""
    if SETTINGS_PATH not in paths:
        return new, []
    problems = [*new.problems, *check_name(before, new)]
    if not problems:
        return new, []
    paths.discard(SETTINGS_PATH)
    return replace(new, settings=before.settings, problems=tuple(problems)), problems


def _bad(
    good: Fleet, trusted: Fleet, judged: set[str], options: tuple[str, ...]
) -> dict[str, tuple[Problem, ...]]:
    """Find the files that cannot be followed.

    What is held goes on as it was, so it may stand in the way of others: look until no more is
    found. With each round there are fewer files left to find.
    """
    bad: dict[str, tuple[Problem, ...]] = {}
    while True:
        view = trusted.with_documents({
            path: _last_good(good, trusted.documents[path]) or
            replace(trusted.documents[path], definition=None)
            for path in bad
        })  # fmt: skip
        found = checks.check(view, judged - bad.keys())
        found += check_volumes(good, view, options, COMMIT)
        mine = [each for each in found if each.path in judged and each.path in trusted.documents]
        fresh = {each.path for each in mine} - bad.keys()
        if not fresh:
            return bad
        bad |= {path: tuple(each for each in mine if each.path == path) for path in fresh}


def _last_good(good: Fleet, each: Document) -> Document | None:
    """Find what goes on in a file's place: the same server's definition, wherever it was."""
    was = good.documents.get(each.path)
    if was is None or was.id != each.id:
        was = next((other for other in good.servers() if each.id and other.id == each.id), None)
    if was is None or was.definition is None or kind_of(was.path) is not kind_of(each.path):
        return None
    return replace(was, path=each.path, state=each.state)


#: How messages of what is put back begin.
_REASONS = (NOT_DELETED, PASSED_OVER, NOT_ALLOWED)


def _put_back(new: Fleet, paths: set[str]) -> dict[str, tuple[Problem, ...]]:
    """Find the files that were put back, because what was done to them is not followed."""
    found: dict[str, tuple[Problem, ...]] = {}
    for path in paths:
        each = new.documents.get(path)
        message = each.state.message if each and each.state else None
        if message is None or not message.endswith(GOES_ON):
            continue
        if any(f"{path}: {reason}" in message for reason in _REASONS):
            fact = message.removeprefix(f"{path}: ").removesuffix(GOES_ON).strip()
            found[path] = (Problem(path, 0, 0, "", fact),)
    return found


def suspects(fleet: Fleet) -> set[str]:
    """Find the files that were held when a manager ended: their states say so."""
    return {
        path for path, each in fleet.documents.items()
        if kind_of(path) is Kind.SERVER and (
            each.problems
            or (each.state and each.state.message and each.state.message.endswith(GOES_ON))
        )
    }  # fmt: skip
