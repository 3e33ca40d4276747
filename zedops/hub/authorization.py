"""Checks pushed commits against the fleet's rules about who may do what; reads git for it.

A push is a chain of steps from a commit of main to the pushed commit. The signer of a step's commit
answers for the whole step, with all that a merge brings in. So no change escapes the rules, and the
authors of merged commits need not sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from zedops.errors import GitFailed, Problem
from zedops.fleet import access, authorship
from zedops.fleet.access import Signer
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states
from zedops.git.repository import Repository
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.signatures import signers
from zedops.spec.layout import SETTINGS_PATH
from zedops.system.ulid import new_id

#: Checking one signature takes about 30 ms, and the hub takes no other push meanwhile.
MOST_COMMITS = 500
#: Up to this many commits in a row are read one by one.
_FEW = 5


def with_trusted_states(hub: Hub, main: str, known: Fleet | None) -> Fleet:
    """Read main with the trusted states: those of `known`, not the ones that pushes edited since.

    `known` is a fleet that a manager has read: its own, or the one at `hub.refs.seen()`.
    """
    known = known or snapshot.empty(hub.default_name)
    fleet, changes = hub.read_fleet(main, known)
    now, paths = datetime.now(UTC), {each.path for each in changes}
    return carry_over_states(known, fleet, paths, lambda: new_id(now.timestamp()), now)


def posing(repository: Repository, main: str, base: str, new: str) -> list[str]:
    """Find the pushed commits that claim zedops as author; the hub's own are on main already."""
    at, seen = new, 0
    while at != base and seen < _FEW:  # most pushes are a few commits in a row
        raw = repository.objects.blobs([at])[at]
        before = authorship.parents(raw)
        if len(before) != 1:
            break
        if authorship.poses(raw):
            break  # the hub's own may be met here, where the pushed branch was rewritten
        at, seen = before[0], seen + 1
    if at == base:
        return []
    listed = repository.run("rev-list", "--end-of-options", new, f"^{main}").split()
    found = repository.objects.blobs(listed)
    return [each for each in listed if authorship.poses(found[each])]


@dataclass(frozen=True)
class PushAuthorizer:
    """Pushed commits from `base` to `new`, and main, which supplies the rules and keys."""

    repository: Repository
    main: str
    base: str
    new: str

    def unsigned(self, before: Fleet) -> list[Problem]:
        """Find the commits of a push without a valid signature; none if the fleet needs none."""
        if not before.settings.signed:
            return []
        if len(self._steps) > MOST_COMMITS:
            fact = f"{len(self._steps)} commits, more than the {MOST_COMMITS} that are checked"
            return [Problem("push", 0, 0, "", fact, "push fewer at once, or squash them")]
        found = self._signers(to for _, to in self._steps)
        return [each.problem(f"commit {each.commit[:7]}") for each in found.values() if each.fault]

    def judge(
        self, before: Fleet, pushed: Fleet, after: Fleet, files: Mapping[str, object]
    ) -> dict[str, Problem]:
        """Find the paths of `files` (None: removed) whose change the rules do not authorize.

        `before` and `after` have trusted states; `pushed` is `after` with the states in its files.
        """
        found = {}
        if before.settings.signed:
            found = self._not_allowed(before, pushed, after, set(files))
            if SETTINGS_PATH in files and after.problems:
                # unreadable settings name no people, which would allow everyone everything
                found.setdefault(SETTINGS_PATH, after.problems[0])
        touched = sorted(files.keys() & {SETTINGS_PATH, *access.KEYS})
        if touched and after.settings.signed:
            there = set(self.repository.tree(self.main, *access.KEYS)) if self.main else set()
            there = {path for path in there | files.keys() if files.get(path, path) is not None}
            if problem := access.no_keys(after.settings, there):
                found |= dict.fromkeys(touched, problem)
        return found

    def _not_allowed(
        self, before: Fleet, pushed: Fleet, after: Fleet, paths: set[str]
    ) -> dict[str, Problem]:
        last: dict[str, str] = {}
        if self._fork != self.base:  # the newest commit's signer answers for undone commits
            undone = self.repository.steps([(self.base, self._fork)])
            last = {path: self.new for touched in undone.values() for path in touched}
        for commit, touched in self.repository.steps(self._steps).items():
            last |= dict.fromkeys(touched, commit)
        known = paths & last.keys()
        found = self._signers(last[path] for path in known)
        by_path = {path: found[last[path]] for path in known}
        claims = {path: each.id for path in paths if (each := pushed.documents.get(path))}
        return access.judge(before.settings, before, after, paths, by_path, claims)

    def _signers(self, commits: Iterable[str]) -> dict[str, Signer]:
        """Find the signers of commits; each signature is verified once and cached."""
        wanted = set(commits)
        if new := wanted - self._known.keys():
            self._known.update(self._verified(new))
        return {each: self._known[each] for each in wanted}

    @cached_property
    def _known(self) -> dict[str, Signer]:
        return {}

    def _verified(self, commits: Iterable[str]) -> dict[str, Signer]:
        """Verify signatures; a fault marks a commit that was not signed for this place."""
        found = signers(self.repository, self.main, commits)
        faults = dict.fromkeys(self._copies() & found.keys(), _COPY)
        raw = self.repository.objects.blobs(found)
        faults |= {each: authorship.FAULT for each in found if authorship.poses(raw[each])}
        if self._fork != self.base and self.new in found and self._is_older():
            faults[self.new] = _OLD
        return found | {each: replace(found[each], fault=found[each].fault or fault)
                        for each, fault in faults.items()}

    def _copies(self) -> set[str]:
        """Find the steps that copy a commit of main under another id.

        A signature does not cover itself: a small change of its bytes gives the commit another id.
        With such a copy any person could repeat a change that was undone since.
        """
        if self._fork == self.main:
            return set()
        had = {content for _, content in self._contents(self.main)}
        steps = {commit for _, commit in self._steps}
        return {commit for commit, content in self._contents(self.new)
                if content in had and commit in steps}

    def _contents(self, tip: str) -> list[tuple[str, str]]:
        """List the commits since the fork, each with its signed fields except the message."""
        out = self.repository.run("log", "--no-show-signature", "--format=%H %T %at %ct %P",
                                  "--end-of-options", f"{self._fork}..{tip}")
        return [(line[:40], line[41:]) for line in out.splitlines()]

    def _is_older(self) -> bool:
        """Tell whether a rewritten history ends before the commits that it undoes.

        Then its signer did not know those commits: another person pushed the old history later.
        """
        if self._fork == self.new:
            return True
        dates = [self.repository.run("log", "-1", "--no-show-signature", "--format=%ct",
                                     "--end-of-options", each)
                 for each in (self.new, self.base)]
        return int(dates[0]) < int(dates[1])

    @cached_property
    def _fork(self) -> str:
        """Find the commit where the pushed history left: the base, unless it was rewritten."""
        try:
            return self.repository.run("merge-base", "--end-of-options", self.base, self.new)
        except GitFailed:
            return self.base  # no common commit: the whole push is one step

    @cached_property
    def _steps(self) -> list[tuple[str, str]]:
        """Find one path from the fork to the new commit, as pairs of a parent and a commit."""
        start = self._fork
        out = self.repository.run("rev-list", "--ancestry-path", "--parents",
                                  "--end-of-options", f"{start}..{self.new}")
        parents = {commit: others for commit, *others in map(str.split, out.splitlines())}
        steps, at = [], self.new
        while at != start:
            before = next(
                (each for each in parents.get(at, ()) if each == start or each in parents), start,
            )
            steps.append((before, at))
            at = before
        return steps[::-1]


_COPY = "is a copy of one that main has, so it has no effect"
_OLD = "is older than the commits that it undoes"
