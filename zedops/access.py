"""Who may do what: a fleet's own rules about those who change it. Pure.

Only a signature says who somebody is, and only keys that main holds already count. Whoever changed
a file last answers for all that is in it: a merge's signer for the merge, not those it brings in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zedops.errors import Problem
from zedops.fleet import SERVERS, SETTINGS_PATH, Fleet, Kind, kind_of
from zedops.settings import Person, Right, Settings

#: Keys, in the formats of ssh-keygen(1), "ALLOWED SIGNERS", and of `gpg --armor --export`.
SSH_KEYS = "allowed_signers"
OPENPGP_KEYS = "keyring.asc"
KEYS = (SSH_KEYS, OPENPGP_KEYS)
#: How the state of a server begins to say that a change was not followed.
NOT_ALLOWED = "a change of it is not followed"
_ANYBODY = "*"


@dataclass(frozen=True)
class Signer:
    """Who signed a commit, by every name that the key stands for; or why nobody did."""

    commit: str
    names: tuple[str, ...] = ()
    fault: str = ""

    def problem(self, path: str) -> Problem:
        """Say that a commit is not followed, and what its author can do."""
        fact = f"commit {self.commit[:7]} {self.fault}"
        return Problem(path, 0, 0, "", fact, "sign it: `git commit --amend --no-edit -S`")


def judge(
    settings: Settings,
    before: Fleet,
    after: Fleet,
    changed: Iterable[str],
    signers: Mapping[str, Signer],
) -> dict[str, Problem]:
    """Find the changed paths that must not be followed, by the rules that held before.

    `after` has trusted states; `signers` are by path: who changed it last.
    """
    if not settings.signed:
        return {}
    found = {}
    for path in sorted(changed):
        right = needed(before, after, path)
        signer = signers.get(path)
        if signer is None:
            found[path] = Problem(path, 0, 0, "", "nobody answers for this change", "push it anew")
        elif signer.fault:
            found[path] = signer.problem(path)
        elif right is not None and not _may(settings.people, signer, right, path):
            found[path] = _refusal(settings.people, signer, right, path)
    return found


def needed(before: Fleet, after: Fleet, path: str) -> Right | None:
    """Say what right a change of a path takes; None where nothing comes of it."""
    match kind_of(path):
        case Kind.SETTINGS | Kind.PRESET:
            return Right.SETTINGS
        case Kind.OTHER:
            return Right.SETTINGS if path in KEYS else Right.CHANGE
        case Kind.SERVER:
            return _of_server(before, after, path)
        case Kind.TOMBSTONE:
            return _of_tombstone(before, after, path)


def _of_server(before: Fleet, after: Fleet, path: str) -> Right | None:
    was, now = before.documents.get(path), after.documents.get(path)
    if was is not None and was.id is not None and not _lives(after, was.id):
        return Right.DELETE
    if was is not None and now is not None and (was.head, was.id) == (now.head, now.id):
        return None  # a state alone, which nobody but zedops writes
    return Right.CHANGE


def _of_tombstone(before: Fleet, after: Fleet, path: str) -> Right | None:
    was, now = before.documents.get(path), after.documents.get(path)
    purges = now is not None and now.definition is not None and now.definition.purge is not None
    if was is None:
        # made by zedops, or by whoever moved a server's file there, which is judged by itself
        return Right.PURGE if purges else None
    if _lives(after, was.id) or (now is not None and now.head == was.head):
        return None  # restored, or as it was
    return Right.PURGE


def _lives(fleet: Fleet, server_id: str | None) -> bool:
    owner = fleet.owner(server_id)
    return owner is not None and kind_of(owner.path) is Kind.SERVER


def no_keys(settings: Settings, paths: Iterable[str]) -> Problem | None:
    """Refuse settings that would shut everybody out; `paths` are the files that there are."""
    if not settings.signed or not set(KEYS).isdisjoint(paths):
        return None
    key = "people" if settings.people else "require_signatures"
    remedy = f"add {SSH_KEYS} (ssh) or {OPENPGP_KEYS} (OpenPGP) with the keys, in the same push"
    fact = "there is no key that anybody could sign with"
    return Problem(SETTINGS_PATH, 0, 0, key, fact, remedy)


def _may(people: Mapping[str, Person], signer: Signer, right: Right, path: str) -> bool:
    if not people:
        return True
    named = [people[name] for name in signer.names if name in people]
    for each in named or [people[key] for key in (_ANYBODY,) if key in people]:
        if right in each.may and (right is Right.SETTINGS or _covers(each, path)):
            return True
    return False


def _covers(person: Person, path: str) -> bool:
    if kind_of(path) is Kind.TOMBSTONE:
        path = f"{SERVERS}/{path.partition('/')[2]}"
    return not person.paths or any(fnmatchcase(path, each) for each in person.paths)


def _refusal(
    people: Mapping[str, Person], signer: Signer, right: Right, path: str
) -> Problem:
    who = signer.names[0] if signer.names else "somebody unknown"
    others = [name for name, each in people.items() if name != _ANYBODY
              and right in each.may and (right is Right.SETTINGS or _covers(each, path))]
    remedy = f"ask {' or '.join(others[:3])}" if others else f"see `people:` in {SETTINGS_PATH}"
    fact = f"{who} may not {_VERBS[right]} (commit {signer.commit[:7]})"
    return Problem(path, 0, 0, "", fact, remedy)


_VERBS = {
    Right.CHANGE: "change it",
    Right.DELETE: "delete it",
    Right.PURGE: "purge it",
    Right.SETTINGS: "change what holds for the whole fleet",
}
