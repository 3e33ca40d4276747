"""The gate of a push: the checks before the hub accepts it, and the move of main.

The running manager uses it with the fleet in memory; a hook uses it alone if no manager runs. The
gate never changes a server.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zedops.errors import GitFailed, InvalidInput, Problem, RaceLost, ZedopsError
from zedops.fleet import alike, authorship, preview
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states, placeholder_id, void_ids
from zedops.fleet.lint import advise
from zedops.git.command import clean_environment
from zedops.git.objects import NO_OBJECT, Entry
from zedops.git.repository import Repository
from zedops.hub import hook, pushed_refs, snapshot
from zedops.hub.authorization import PushAuthorizer, posing, with_trusted_states
from zedops.hub.hub import Hub
from zedops.hub.proposal import Proposal, propose, write_merge
from zedops.hub.refs import FOR_MAIN, MAIN
from zedops.spec import strays
from zedops.spec.document import not_a_file
from zedops.spec.layout import MAX_BYTES, SETTINGS_PATH, Kind, kind_of
from zedops.system import failpoints

_ATTEMPTS = 50
#: A push option: forecast the push and change nothing.
DRY_RUN = "dry-run"
_NOT_DONE = "dry run: nothing was changed"
_NOTHING = Proposal("", "", "", {}, fast_forward=False)


@dataclass
class PushReceiver:
    """Checks and merges pushes to one hub. `warm` returns the newest fleet in memory, if any."""

    hub: Hub
    warm: Callable[[], Fleet | None] = lambda: None
    #: Paths that recent pushes touched, by pushed commit; the report to the person needs them.
    touched: dict[str, set[str]] = field(default_factory=dict)
    #: The last proposal that passed, with its options: merged unchecked if main has not moved.
    _passed: tuple[Proposal, tuple[str, ...] | None] = (_NOTHING, None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(
        self, updates: list[list[str]], env: Mapping[str, str], options: Sequence[str] = ()
    ) -> list[str]:
        """Check a push before the hub accepts it; InvalidInput carries every problem.

        Returns the forecast and the warnings, as lines for the person.
        """
        repository = self.hub.repository.with_env(env)
        repository.objects.keep_open()  # one process for the few questions of this push
        try:
            return self._check(repository, updates, options)
        finally:
            repository.objects.close()

    def _check(
        self, repository: Repository, updates: list[list[str]], options: Sequence[str]
    ) -> list[str]:
        problems: list[Problem] = []
        said: list[str] = []
        names = {ref for _, _, ref in updates}
        if not names <= {MAIN, FOR_MAIN}:
            names |= self.hub.refs.names()
        for _, new, ref in updates:
            if wrong := pushed_refs.wrong(self.hub, repository, new, ref, names):
                problems.append(wrong)
            elif ref in (MAIN, FOR_MAIN) and new != NO_OBJECT:
                proposal = propose(repository, self.hub.head(), new)
                before, after, paths, warnings = self._verify(repository, proposal, options)
                self._passed = (proposal, tuple(options))
                said += preview.lines(preview.preview(before, after, paths))
                warnings += [*advise(after, paths), *self._strays(repository, proposal)]
                said += [f"warning: {each}" for each in warnings]
        if problems:
            raise InvalidInput(problems)
        return said

    def _strays(self, repository: Repository, proposal: Proposal) -> list[Problem]:
        """Find pushed files that look like a definition, but have a wrong place or name."""
        suspects = {path: each for path, each in proposal.files.items()
                    if isinstance(each, Entry) and each.is_file and strays.is_suspect(path)}
        if not suspects:
            return []
        blobs = repository.objects.blobs([each.blob for each in suspects.values()], most=MAX_BYTES)
        return strays.find({path: blobs[each.blob] for path, each in suspects.items()})

    def _verify(
        self, repository: Repository, proposal: Proposal, options: Sequence[str]
    ) -> tuple[Fleet, Fleet, set[str], list[Problem]]:
        """Check a proposal against every rule; return main before and after, paths, warnings."""
        if proposal.main:
            known = self.warm()
            if known is None and (seen := self.hub.refs.seen()) is not None:
                known = self.hub.read_fleet(seen)[0]
            before = with_trusted_states(self.hub, proposal.main, known)
        else:
            before = snapshot.empty(self.hub.default_name)
        after = snapshot.apply(
            repository, proposal.pushed, self.hub.default_name, before, proposal.files
        )
        paths = set(proposal.files)
        trusted = carry_over_states(before, after, paths, placeholder_id, datetime.now(UTC))
        if proposal.main and (posing := self._posing(repository, proposal)):
            raise InvalidInput(posing)
        admission = PushAuthorizer(repository, proposal.main, proposal.base, proposal.pushed)
        if unsigned := admission.unsigned(before):
            raise InvalidInput(unsigned)
        problems = preview.judge(before, trusted, paths, options)
        found = admission.judge(before, after, trusted, proposal.files).values()
        problems += [each for each in found if each not in problems]
        there = {path for path, each in proposal.files.items() if each is not None}
        problems += alike.problems(there, after.documents.keys())
        for path, each in proposal.files.items():  # also files that the checks above skip
            if isinstance(each, Entry) and kind_of(path) is not Kind.OTHER:
                problems += not_a_file(path, each.mode)
        if SETTINGS_PATH in paths and proposal.files[SETTINGS_PATH] is None:
            remedy = "keep it; it may be as short as its name"
            fact = "cannot be removed: every server depends on it"
            problems.append(Problem(SETTINGS_PATH, 0, 0, "", fact, remedy))
        if problems:
            raise InvalidInput(problems)
        self.hub.checked = {path: after.documents[path] for path in paths & after.documents.keys()}
        return before, trusted, paths, _void(void_ids(before, after, paths))

    def _posing(self, repository: Repository, proposal: Proposal) -> list[Problem]:
        found = posing(repository, proposal.main, proposal.base, proposal.pushed)
        return [authorship.problem(each) for each in found]

    def receive(
        self, updates: list[list[str]], options: Sequence[str] = ()
    ) -> dict[str, str]:
        """Merge pushes to `refs/for/main` into main. Return the refused refs with reasons."""
        refused: dict[str, str] = {}
        for _, new, ref in updates:
            try:
                with self._lock:
                    self._merge(new, options)
            except ZedopsError as error:
                refused[ref] = str(error).splitlines()[0]
        return refused

    def _merge(self, new: str, options: Sequence[str]) -> None:
        for attempt in range(_ATTEMPTS):
            time.sleep(min(0.002 * attempt, 0.1))
            main = self.hub.head()
            proposal, verified = self._passed
            if (proposal.main, proposal.pushed, verified) != (main or "", new, tuple(options)):
                proposal = propose(self.hub.repository, main, new)
                verified = None
            self.touched[new] = set(proposal.files)
            if main and not proposal.files and not proposal.fast_forward:
                return
            if verified is None:
                self._verify(self.hub.repository, proposal, options)
            merged = new if proposal.fast_forward else write_merge(
                self.hub.repository, proposal, self.hub.refs.signature()
            )
            failpoints.point("gate.written")
            try:
                self.hub.repository.move_ref(MAIN, merged, main or NO_OBJECT)
            except RaceLost:
                continue
            failpoints.point("gate.moved")
            return
        raise RaceLost("main is locked or moves too fast; push again, or see `zedops up`")

def _void(ids: Mapping[str, str]) -> list[Problem]:
    """Warn of ids that main does not know."""
    remedy = "`zedops orphans` shows its container and data, and the next step"
    return [Problem(path, 0, 0, "", f"main has no server {each}, so that id is void", remedy)
            for path, each in sorted(ids.items())]


def answer(
    gate: PushReceiver, request: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any]:
    """Answer one hook's request; `say` gets every reason of a refusal."""
    try:
        if request["do"] == "pre-receive":
            for line in gate.check(request["updates"], request["env"], request["options"]):
                say(line)
            if DRY_RUN in request["options"]:
                say(_NOT_DONE)
                return {"exit": 1}
            failpoints.point("gate.checked")
            return {"exit": 0}
        return {"refused": gate.receive(request["updates"], request["options"])}
    except InvalidInput as error:
        for problem in error.problems:
            say(str(problem))
        count = len(error.problems)
        say(f"refused: {count} problem{'s' if count > 1 else ''}, nothing was changed")
        if DRY_RUN in request["options"]:
            say(_NOT_DONE)
    except GitFailed as error:
        say(str(error))
    return {"exit": 1}


def main(name: str) -> int:
    """Serve one hook call without a manager; return the exit code."""
    call = hook.of_this_process(name)
    try:
        request = call.read_push()
    except hook.Malformed as error:
        call.say(f"cannot be checked: {error}")
        return 1
    clean_environment()
    return call.respond(request, answer(PushReceiver(Hub(Path(os.curdir))), request, call.say))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
