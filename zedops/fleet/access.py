"""Authorizes changes by a fleet's own rules about who may do what. Pure.

Only a signature identifies a person, and only keys that main already holds count. The signer of a
file's last change answers for its whole content. A merge counts as its signer's change, not as one
of the merged authors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.spec import document as documents
from zedops.spec.document import Document
from zedops.spec.layout import SERVERS, SETTINGS_PATH, Kind, kind_of, tombstone_path
from zedops.spec.settings import GROUP, Person, Right, Settings, person_key

#: Keys, in the formats of ssh-keygen(1), "ALLOWED SIGNERS", and of `gpg --armor --export`.
SSH_KEYS = "allowed_signers"
OPENPGP_KEYS = "keyring.asc"
KEYS = (SSH_KEYS, OPENPGP_KEYS)
#: The state of a server whose change was not followed begins with this.
NOT_ALLOWED = "a change of it is not followed"
_ANYBODY = "*"
#: In place of a path: every path. A server that main does not know may belong to any path, so
#: taking over its data on a host needs the right to all of them.
_EVERYWHERE = ""


@dataclass(frozen=True)
class Signer:
    """The signer of a commit, by every name of the key; or the fault of its signature."""

    commit: str
    names: tuple[str, ...] = ()
    fault: str = ""

    def problem(self, path: str) -> Problem:
        """Report that zedops does not follow a commit, with the remedy for its author."""
        fact = f"commit {self.commit[:7]} {self.fault}"
        return Problem(path, 0, 0, "", fact, "sign it: `git commit --amend --no-edit -S`")


def judge(
    settings: Settings,
    before: Fleet,
    after: Fleet,
    changed: Iterable[str],
    signers: Mapping[str, Signer],
    claims: Mapping[str, str | None],
) -> dict[str, Problem]:
    """Find the changed paths that the rules of `before` do not authorize.

    `before` and `after` have trusted states. `claims` are the ids that the changed files give
    themselves. `signers` has, by path, the signer of the last change.
    """
    if not settings.signed:
        return {}
    found = {}
    for path in sorted(changed):
        wanted = _wanted(before, after, path, claims.get(path))
        signer = signers.get(path)
        if signer is None:
            fact = "no signed commit accounts for this change"
            found[path] = Problem(path, 0, 0, "", fact, "push it again")
        elif signer.fault:
            found[path] = signer.problem(path)
        else:
            for right, at in wanted:
                names = [each for each in signer.names if not each.startswith(GROUP)]
                if not may(settings.people, names, right, at):
                    found[path] = _refusal(settings.people, signer, right, path, at)
                    break
    return found


def _wanted(
    before: Fleet, after: Fleet, path: str, claim: str | None
) -> Iterator[tuple[Right, str]]:
    """List the rights that a change of a path needs, and where; none if it has no effect."""
    match kind_of(path):
        case Kind.SETTINGS | Kind.PRESET:
            yield Right.SETTINGS, path
        case Kind.OTHER:  # a folder in a file's place is a change of the file
            whole = path.partition("/")[0] in (SETTINGS_PATH, *KEYS)
            yield Right.SETTINGS if whole else Right.CHANGE, path
        case Kind.SERVER:
            yield from _with_name(_of_server(before, after, path, claim), path)
        case Kind.TOMBSTONE:
            if right := _of_tombstone(before, after, path, claim):
                yield from _with_name([(right, path)], path)
                if _goes_on(before, after.documents.get(path)):
                    yield right, _EVERYWHERE


def _with_name(
    wanted: Iterable[tuple[Right, str]], path: str
) -> Iterator[tuple[Right, str]]:
    """Add the right to `servers.d/NAME.yaml`, which owns the name for files in all folders."""
    home = f"{path.partition('/')[0]}/{documents.stem(path)}.yaml"
    for right, at in wanted:
        yield right, at
        if at == path != home:
            yield right, home


def _goes_on(before: Fleet, now: Document | None) -> bool:
    """Tell whether a file adopts an id that main does not hold, with its data on the hosts."""
    return now is not None and now.id is not None and (
        now.id == now.adopted_id and before.owner(now.id) is None
    )


def _of_server(
    before: Fleet, after: Fleet, path: str, claim: str | None
) -> Iterator[tuple[Right, str]]:
    was, now = before.documents.get(path), after.documents.get(path)
    if _purges(now) or (now is None and _purges(was)):
        yield Right.PURGE, path  # its tombstone would ask for the purge
    if was is not None and was.id is not None and not after.is_living(was.id):
        yield Right.DELETE, path
        return
    if was is not None and now is not None and (was.head, was.id) == (now.head, now.id):
        # only the state differs, and zedops alone writes states; but with another id in it this
        # file could take over another server
        if claim != was.id:
            yield Right.CHANGE, path
        return
    yield Right.CHANGE, path
    if now is not None:
        for each in _holders(before, now, path):
            yield Right.CHANGE, each
        if _goes_on(before, now):
            yield Right.CHANGE, _EVERYWHERE


def _holders(before: Fleet, now: Document, path: str) -> set[str]:
    """Find the files of the servers and names that a changed file takes over."""
    owner, grave = before.owner(now.id), before.documents.get(tombstone_path(now.name))
    found = set()
    if owner is not None and kind_of(owner.path) is Kind.TOMBSTONE:
        found.add(owner.path)
    if grave is not None and path not in before.documents:
        found.add(grave.path)
    return found - {path}


def _of_tombstone(before: Fleet, after: Fleet, path: str, claim: str | None) -> Right | None:
    was, now = before.documents.get(path), after.documents.get(path)
    if was is None:
        if _purges(now):
            return Right.PURGE
        # zedops made it, or a person moved a server's file there: the old path is judged, too
        made_up = now is None or before.owner(now.id) is None
        return Right.DELETE if made_up else None
    if after.is_living(was.id):
        return Right.CHANGE  # restored
    if now is not None and now.head == was.head and claim == was.id:
        return None
    return Right.PURGE


def _purges(each: Document | None) -> bool:
    """Tell whether a file asks for a purge of its data, even if the file is invalid otherwise."""
    if each is None:
        return False
    data = each.data
    if data is None:  # its state may be the invalid half, which zedops rewrites: read the head
        data = documents.parse(each.path, each.head.encode("utf-8", "surrogateescape")).data
    return isinstance(data, dict) and data.get("purge") is not None


def no_keys(settings: Settings, paths: Iterable[str]) -> Problem | None:
    """Refuse settings that would lock everyone out; `paths` are the fleet's files."""
    if not settings.signed or not set(KEYS).isdisjoint(paths):
        return None
    key = "people" if settings.people else "require_signatures"
    remedy = f"add {SSH_KEYS} (ssh) or {OPENPGP_KEYS} (OpenPGP) with the keys, in the same push"
    fact = "the fleet has no key to verify signatures with"
    return Problem(SETTINGS_PATH, 0, 0, key, fact, remedy)


def rights(people: Mapping[str, Person], names: Iterable[str]) -> frozenset[Right]:
    """List what a person may do anywhere in the fleet; in a fleet without `people`, everything."""
    if not people:
        return frozenset(Right)
    return frozenset(right for each in _entries(people, names) for right in each.may)


def _entries(people: Mapping[str, Person], names: Iterable[str]) -> list[Person]:
    keys = {person_key(name) for name in names}
    named = [each for name, each in people.items() if person_key(name) in keys]
    return named or [people[key] for key in (_ANYBODY,) if key in people]


def may(people: Mapping[str, Person], names: Iterable[str], right: Right, path: str) -> bool:
    """Say whether a person has a right at a file; in a fleet without `people`, every person."""
    if not people:
        return True
    for each in _entries(people, names):
        if right in each.may and (right is Right.SETTINGS or _covers(each, path)):
            return True
    return False


def _covers(person: Person, path: str) -> bool:
    if path == _EVERYWHERE:
        return not person.paths
    if kind_of(path) is Kind.TOMBSTONE:
        path = f"{SERVERS}/{path.partition('/')[2]}"
    return not person.paths or any(fnmatchcase(path, each) for each in person.paths)


def _refusal(
    people: Mapping[str, Person], signer: Signer, right: Right, path: str, at: str
) -> Problem:
    who = signer.names[0] if signer.names else "an unknown signer"
    others = [name for name, each in people.items() if name != _ANYBODY
              and right in each.may and (right is Right.SETTINGS or _covers(each, at))]
    remedy = f"ask {' or '.join(others[:3])}" if others else f"see `people:` in {SETTINGS_PATH}"
    what = _VERBS[right] if at == path else f"take over {at}"
    if at == _EVERYWHERE:
        what = "adopt a server that main does not know, which needs the right to every path"
    fact = f"{who} may not {what} (commit {signer.commit[:7]})"
    return Problem(path, 0, 0, "", fact, remedy)


_VERBS = {
    Right.CHANGE: "change it",
    Right.DELETE: "delete it",
    Right.PURGE: "purge it",
    Right.SETTINGS: "change the fleet's settings",
}
