"""Who may do what: a fleet's own rules about those who change it. Pure.

Only a signature says who somebody is, and only keys that main holds already count. Whoever changed
a file last answers for all that is in it: a merge's signer for the merge, not those it brings in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zedops import document as documents
from zedops.document import Document
from zedops.errors import Problem
from zedops.fleet import SERVERS, SETTINGS_PATH, Fleet, Kind, kind_of, tombstone_path
from zedops.settings import Person, Right, Settings

#: Keys, in the formats of ssh-keygen(1), "ALLOWED SIGNERS", and of `gpg --armor --export`.
SSH_KEYS = "allowed_signers"
OPENPGP_KEYS = "keyring.asc"
KEYS = (SSH_KEYS, OPENPGP_KEYS)
#: How the state of a server begins to say that a change was not followed.
NOT_ALLOWED = "a change of it is not followed"
_ANYBODY = "*"
#: In the place of a path: all there are. What a host keeps of a server that main does not know
#: could be anybody's.
_EVERYWHERE = ""


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
    claims: Mapping[str, str | None],
) -> dict[str, Problem]:
    """Find the changed paths that must not be followed, by the rules that held before.

    `before` and `after` have trusted states; `claims` are the ids that the changed files give
    themselves. `signers` are by path: who changed it last.
    """
    if not settings.signed:
        return {}
    found = {}
    for path in sorted(changed):
        wanted = _wanted(before, after, path, claims.get(path))
        signer = signers.get(path)
        if signer is None:
            found[path] = Problem(path, 0, 0, "", "nobody answers for this change", "push it anew")
        elif signer.fault:
            found[path] = signer.problem(path)
        else:
            for right, at in wanted:
                if not _may(settings.people, signer, right, at):
                    found[path] = _refusal(settings.people, signer, right, path, at)
                    break
    return found


def _wanted(
    before: Fleet, after: Fleet, path: str, claim: str | None
) -> Iterator[tuple[Right, str]]:
    """Say what rights a change of a path takes, and where; none if nothing comes of it."""
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
    """Add that a name belongs to whoever may change `servers.d/NAME.yaml`, in whatever folder."""
    home = f"{path.partition('/')[0]}/{documents.stem(path)}.yaml"
    for right, at in wanted:
        yield right, at
        if at == path != home:
            yield right, home


def _goes_on(before: Fleet, now: Document | None) -> bool:
    """Say whether a file takes over what hosts keep under an id that main does not hold."""
    return now is not None and now.id is not None and (
        now.id == now.adopted_id and before.owner(now.id) is None
    )


def _of_server(
    before: Fleet, after: Fleet, path: str, claim: str | None
) -> Iterator[tuple[Right, str]]:
    was, now = before.documents.get(path), after.documents.get(path)
    if _purges(now) or (now is None and _purges(was)):
        yield Right.PURGE, path  # its tombstone would say so
    if was is not None and was.id is not None and not _lives(after, was.id):
        yield Right.DELETE, path
        return
    if was is not None and now is not None and (was.head, was.id) == (now.head, now.id):
        # a state alone, which nobody but zedops writes; another id could become this server's
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
    """Find the files whose server, or whose server's name, a changed file takes over."""
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
        # made by zedops, or by whoever moved a server's file there, which is judged by itself
        made_up = now is None or before.owner(now.id) is None
        return Right.DELETE if made_up else None
    if _lives(after, was.id):
        return Right.CHANGE  # restored
    if now is not None and now.head == was.head and claim == was.id:
        return None
    return Right.PURGE


def _purges(each: Document | None) -> bool:
    """Say whether a file asks for its data to be removed, be it good for anything else or not."""
    if each is None:
        return False
    data = each.data
    if data is None:  # what cannot be read for its state can be, once zedops wrote that anew
        data = documents.parse(each.path, each.head.encode("utf-8", "surrogateescape")).data
    return isinstance(data, dict) and data.get("purge") is not None


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
    if path == _EVERYWHERE:
        return not person.paths
    if kind_of(path) is Kind.TOMBSTONE:
        path = f"{SERVERS}/{path.partition('/')[2]}"
    return not person.paths or any(fnmatchcase(path, each) for each in person.paths)


def _refusal(
    people: Mapping[str, Person], signer: Signer, right: Right, path: str, at: str
) -> Problem:
    who = signer.names[0] if signer.names else "somebody unknown"
    others = [name for name, each in people.items() if name != _ANYBODY
              and right in each.may and (right is Right.SETTINGS or _covers(each, at))]
    remedy = f"ask {' or '.join(others[:3])}" if others else f"see `people:` in {SETTINGS_PATH}"
    what = _VERBS[right] if at == path else f"take over {at}"
    if at == _EVERYWHERE:
        what = "go on with a server that main does not know, which takes the right to every path"
    fact = f"{who} may not {what} (commit {signer.commit[:7]})"
    return Problem(path, 0, 0, "", fact, remedy)


_VERBS = {
    Right.CHANGE: "change it",
    Right.DELETE: "delete it",
    Right.PURGE: "purge it",
    Right.SETTINGS: "change what holds for the whole fleet",
}
