"""Which files of an upstream's commits the manager holds back. Pure.

The hub refuses a bad push as a whole. A commit on an upstream already exists, so a bad file blocks
only itself: the server's last good definition goes on, and its state gives the reason. Every new
commit judges held files again, because it may remove the obstacle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from zedops.errors import Problem
from zedops.fleet import checks
from zedops.fleet.access import NOT_ALLOWED
from zedops.fleet.deletions import COMMIT, NOT_DELETED, PASSED_OVER, check_name, check_volumes
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states, placeholder_id
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH, Kind, kind_of
from zedops.spec.state_block import GOES_ON


@dataclass(frozen=True)
class Held:
    """A file not followed: its last good document (if any), the offered one and its commit."""

    good: Document | None
    offered: Document
    commit: str | None = None


@dataclass(frozen=True)
class Judgement:
    """The fleet to accept, its held files, and all problems."""

    fleet: Fleet
    held: Mapping[str, Held]
    #: The judged paths: changed files, and files held before.
    judged: frozenset[str]
    problems: tuple[Problem, ...] = ()
    #: Newest commit by path, of files that were held and are followed from now on.
    commits: Mapping[str, str] = field(default_factory=dict)


def judge(
    before: Fleet,
    new: Fleet,
    changed: Iterable[str],
    held: Mapping[str, Held],
    commits: Mapping[str, str],
    options: Iterable[str],
    now: datetime,
) -> Judgement:
    """Judge the changes between the followed fleet and a newer one."""
    paths = set(changed)
    new, problems = _judge_settings(before, new, paths)
    kept = {path: each for path, each in held.items() if path in new.documents}
    good = before.with_documents({path: each.good for path, each in held.items() if each.good})
    offered = new.with_documents({
        path: replace(each.offered, state=new.documents[path].state)
        for path, each in kept.items() if path not in paths
    })  # fmt: skip
    judged = paths | kept.keys()
    trusted = carry_over_states(good, offered, judged, placeholder_id, now)
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
    return Judgement(result, now_held, frozenset(judged), tuple(problems), followed)


def _judge_settings(before: Fleet, new: Fleet, paths: set[str]) -> tuple[Fleet, list[Problem]]:
    """Keep the last good settings if the new ones have problems."""
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

    The last good definition of a held file goes on, so it may conflict with other files: check
    until no more are found. Each round leaves fewer files, so the loop ends.
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
    """Find the last good document of a file's server, at any path."""
    was = good.documents.get(each.path)
    if was is None or was.id != each.id:
        was = next((other for other in good.servers() if each.id and other.id == each.id), None)
    if was is None or was.definition is None or kind_of(was.path) is not kind_of(each.path):
        return None
    return replace(was, path=each.path, state=each.state)


#: The start of messages about files that the manager put back.
_REASONS = (NOT_DELETED, PASSED_OVER, NOT_ALLOWED)


def _put_back(new: Fleet, paths: set[str]) -> dict[str, tuple[Problem, ...]]:
    """Find the files that the manager put back because it does not follow their change."""
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
    """Find the files that an earlier manager held; their states say so."""
    return {
        path for path, each in fleet.documents.items()
        if kind_of(path) is Kind.SERVER and (
            each.problems
            or (each.state and each.state.message and each.state.message.endswith(GOES_ON))
        )
    }  # fmt: skip
