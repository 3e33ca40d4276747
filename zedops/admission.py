"""Holds what people pushed against the fleet's rules about who may do what; reads git for it.

A push is a way from a commit of main to the pushed one. Each step of it is answered for by whoever
signed the commit it leads to: what a merge brings in besides counts as its signer's. That leaves no
way round, and nobody has to sign what somebody else merges for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zedops import access
from zedops.errors import Problem
from zedops.fleet import SETTINGS_PATH, Fleet
from zedops.repository import Repository
from zedops.signatures import signers


@dataclass(frozen=True)
class Admission:
    """Pushed commits, `base` to `new`, and main, whose rules and keys they are held against."""

    repository: Repository
    main: str
    base: str
    new: str

    def unsigned(self, before: Fleet) -> list[Problem]:
        """Find the commits of a push that nobody signed who may; empty where nobody must."""
        if not before.settings.signed:
            return []
        found = signers(self.repository, self.main, [to for _, to in self._steps()])
        return [each.problem(f"commit {each.commit[:7]}") for each in found.values() if each.fault]

    def judge(
        self, before: Fleet, after: Fleet, files: Mapping[str, object]
    ) -> dict[str, Problem]:
        """Find the changed paths that are not to be followed, of `files` (None: removed).

        `after` has trusted states.
        """
        found = self._not_allowed(before, after, set(files)) if before.settings.signed else {}
        touched = sorted(files.keys() & {SETTINGS_PATH, *access.KEYS})
        if touched and after.settings.signed:
            there = set(self.repository.tree(self.main, *access.KEYS)) if self.main else set()
            there = {path for path in there | files.keys() if files.get(path, path) is not None}
            if problem := access.no_keys(after.settings, there):
                found |= dict.fromkeys(touched, problem)
        return found

    def _not_allowed(self, before: Fleet, after: Fleet, paths: set[str]) -> dict[str, Problem]:
        last: dict[str, str] = {}
        for commit, touched in self.repository.steps(self._steps()).items():
            last |= dict.fromkeys(touched, commit)
        known = paths & last.keys()
        found = signers(self.repository, self.main, [last[path] for path in known])
        by_path = {path: found[last[path]] for path in known}
        return access.judge(before.settings, before, after, paths, by_path)

    def _steps(self) -> list[tuple[str, str]]:
        """Find one way from the base to the new commit, as pairs of a parent and a commit."""
        out = self.repository.run("rev-list", "--ancestry-path", "--parents",
                                  f"{self.base}..{self.new}")
        parents = {commit: others for commit, *others in map(str.split, out.splitlines())}
        steps, at = [], self.new
        while at != self.base:
            before = next(
                (each for each in parents.get(at, ()) if each == self.base or each in parents),
                self.base,  # a history that was written anew: all of it is one step
            )
            steps.append((before, at))
            at = before
        return steps[::-1]
