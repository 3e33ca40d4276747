"""Merges commits of an upstream into main, document by document, and refuses none.

The upstream supplies the definition, the manager the state. The intake does not follow deletions
beyond the budget: it puts the files back, and their states give the reason. Like `receive` it
decides
the new main, moves it by compare-and-swap, and never changes a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from zedops.errors import GitFailed, Problem
from zedops.fleet import authorship
from zedops.fleet.access import NOT_ALLOWED
from zedops.fleet.deletions import PASSED_OVER, hold_back
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states, dependent_paths, placeholder_id
from zedops.fleet.merge import head_of, merge, path_conflicts, take_theirs
from zedops.git.objects import NO_OBJECT, Entry, FileChange
from zedops.hub import older, snapshot
from zedops.hub.authorization import PushAuthorizer, posing, with_trusted_states
from zedops.hub.history import merge_base
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN
from zedops.spec import document, state_block
from zedops.spec.layout import MAX_BYTES, MAX_FILE_BYTES, MAX_GRAVE_BYTES, Kind, kind_of
from zedops.spec.state_block import GOES_ON
from zedops.system import failpoints

Files = Mapping[str, Entry | bytes | None]


@dataclass(frozen=True)
class Taken:
    """The result of a merge: main's commit, and the changes that were not followed."""

    main: str
    problems: tuple[Problem, ...] = ()


class BranchContent(Enum):
    """The content of an upstream's branch."""

    EVERYTHING = "everything"  #: definitions and states, in one file each
    DEFINITIONS = "definitions"  #: definitions only; zedops writes on a branch of its own
    STATES = "states"  #: zedops' own branch, where people may only remove tombstones


class UpstreamMerger:
    """Merges an upstream's commits into one hub. For one thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        #: The fleet at main and the fleet at `seen`, as last read.
        self._known: Fleet | None = None
        self._seen: Fleet | None = None

    def take(self, tip: str, mark: str, source: BranchContent = BranchContent.EVERYTHING) -> Taken:
        """Merge a tip into main; the ref `mark` is the newest upstream commit that main contains.

        RaceLost if main moved meanwhile, HubOutdated if this hub is older than the upstream.
        """
        hub, run = self._hub, self._hub.repository.run
        main, seen = hub.head(), hub.repository.resolve(mark)
        if main is None:
            self._move(tip, NO_OBJECT, tip, mark)
            return Taken(tip)
        rewritten = seen is not None and not self._contains(tip, seen)
        if not rewritten and self._contains(main, tip):
            run("update-ref", "--end-of-options", mark, tip)
            return Taken(main)
        base = seen if rewritten else merge_base(hub.repository, main, tip)
        if base is None:
            fact = "its history has nothing in common with the hub's"
            raise GitFailed(f"upstream: {fact}; choose an empty repository, or another hub")
        theirs = {each.path: each for each in hub.repository.changes(base, tip)}
        if source is not BranchContent.DEFINITIONS and not rewritten:
            self._known = hub.read_fleet(main, self._known)[0]
            older.check(hub.repository, self._known, main, base, tip, theirs.values())
        if source is BranchContent.STATES:
            theirs = {path: each for path, each in theirs.items()
                      if kind_of(path) is Kind.TOMBSTONE}
        lone = source is BranchContent.DEFINITIONS and seen is not None
        files, problems = self._files(main, base, tip, theirs, lone=lone)
        if base == main and not problems and not rewritten and source is not BranchContent.STATES:
            new = tip
        else:
            # a merge must not bring back history that was removed from the upstream
            parents = [tip] if rewritten and source is BranchContent.EVERYTHING else [main, tip]
            new = self._write(main, tip, parents, files, problems)
        failpoints.point("intake.written")
        self._move(new, main, tip, mark)
        failpoints.point("intake.moved")
        return Taken(new, tuple(problems.values()))

    def _contains(self, commit: str, other: str) -> bool:
        try:
            self._hub.repository.run(
                "merge-base", "--is-ancestor", "--end-of-options", other, commit
            )
        except GitFailed:
            return False
        return True

    def _move(self, new: str, old: str, tip: str, mark: str) -> None:
        """Move main and the mark in one transaction; RaceLost if main is not at `old`."""
        lines = ["start", f"update {MAIN} {new} {old}", f"update {mark} {tip}", "prepare", "commit"]
        stdin = "".join(f"{line}\n" for line in lines)
        self._hub.repository.pipe("update-ref", "--stdin", stdin=stdin.encode())

    def _files(
        self, main: str, base: str, tip: str, theirs: Mapping[str, FileChange], *, lone: bool
    ) -> tuple[Files, dict[str, Problem]]:
        """Return the files for main, and the problem of each change that is not followed."""
        hub, repository = self._hub, self._hub.repository
        problems = self._passed_over(theirs)
        posers = {f"commit {each[:7]}": authorship.problem(each)
                for each in posing(repository, main, base, tip)}
        here, there = repository.tree(main), repository.tree(tip)
        files: dict[str, Entry | bytes | None] = {path: here.get(path) for path in problems}
        both = {}
        for path, each in theirs.items():
            if path in problems:
                continue
            if here.get(path) == each.before:
                files[path] = each.after
            else:
                both[path] = each
        files |= self._merged(here, both)
        if lone:
            # the hub puts no file back on that branch: a deletion repeats until it is confirmed
            files |= {path: None for path in here.keys() - there.keys()
                      if kind_of(path) is Kind.SERVER and path not in files}
        written = self._known = hub.read_fleet(main, self._known)[0]
        if seen := hub.refs.seen():
            self._seen = hub.read_fleet(seen, self._seen or written)[0]
        before = with_trusted_states(hub, main, self._seen)
        after = snapshot.apply(repository, tip, hub.default_name, before, files)
        trusted = carry_over_states(
            before, after, set(files), placeholder_id, datetime.now(UTC)
        )
        kept = hold_back(before, trusted, hub.history.confirmed_deletions(base, tip))
        refused = PushAuthorizer(repository, main, base, tip).judge(before, after, trusted, files)
        for path, problem in refused.items():
            kept[path] = replace(problem, fact=f"{NOT_ALLOWED}: {problem.fact}")
        kept = _with_tied(before, trusted, here, files, kept)
        for path, problem in {**problems, **kept}.items():
            was = written.documents.get(path)
            said = was is not None and was.is_read
            files[path] = _with_message(was, problem) if was and said else here.get(path)
        return files, problems | kept | posers

    def _passed_over(self, theirs: Mapping[str, FileChange]) -> dict[str, Problem]:
        """Find servers' files that cannot hold a state: links, and files that are too large."""
        found = {}
        entries = {path: each.after for path, each in theirs.items()
                   if each.after and kind_of(path) in (Kind.SERVER, Kind.TOMBSTONE)}
        repository = self._hub.repository
        sizes = repository.objects.sizes(sorted({each.blob for each in entries.values()}))
        large = {blob for blob, size in sizes.items() if size > MAX_BYTES}
        sizes |= {blob: len(head_of(content) or b"")
                  for blob, content in repository.objects.blobs(large, most=MAX_FILE_BYTES).items()
                  if len(content) <= MAX_FILE_BYTES}
        for path, each in entries.items():
            size = sizes.get(each.blob, 0)
            if not each.is_file:
                fact = f"{PASSED_OVER}: not a file"
                found[path] = Problem(path, 0, 0, "", fact, "commit a plain file")
            elif size > MAX_GRAVE_BYTES:
                fact = f"{PASSED_OVER}: {size} bytes, more than the {MAX_BYTES} it may have"
                found[path] = Problem(path, 0, 0, "", fact, "shorten it")
        return found

    def _merged(
        self, here: Mapping[str, Entry], both: Mapping[str, FileChange]
    ) -> dict[str, Entry | bytes | None]:
        """Merge the documents that both sides changed; a conflict keeps the person's text."""
        repository = self._hub.repository
        entries = [each for path, change in both.items()
                   for each in (change.before, change.after, here.get(path)) if each]
        blobs = repository.objects.blobs(each.blob for each in entries)

        def read(entry: Entry | None) -> bytes | None:
            return blobs[entry.blob] if entry else None

        ours = {path: read(here.get(path)) for path in both}
        theirs = {path: read(each.after) for path, each in both.items()}
        base = {path: read(each.before) for path, each in both.items()}
        merged, conflicts = merge(base, ours, theirs, repository.merge_text)
        for path in {each.path for each in conflicts}:
            merged[path] = take_theirs(path, ours[path], theirs[path])
        return dict(merged)

    def _write(
        self, main: str, tip: str, parents: list[str], files: Files, problems: Mapping[str, Problem]
    ) -> str:
        hub, repository = self._hub, self._hub.repository
        subject = repository.run("log", "-1", "--format=%s", "--end-of-options", tip)
        said = "".join(f"{each}\n" for each in problems.values())
        message = f"Merge: {subject}\n\n{said}{chr(10) if said else ''}Zedops-Upstream: {tip}\n"
        if main not in parents:
            # `files` replace files of the first parent's tree, so they must hold all of main
            here, there = repository.tree(main), repository.tree(tip)
            files = {**dict.fromkeys(there.keys() - here.keys()), **here, **files}
        signature = hub.refs.signature()
        return repository.write_commit(parents, files, message, signature, signature)


def _with_tied(
    before: Fleet, after: Fleet, here: Mapping[str, Entry], files: Files, kept: dict[str, Problem]
) -> dict[str, Problem]:
    """Add the files that would be lost if only those in `kept` were put back."""
    found = dict(kept)
    while True:
        left = {path: here.get(path) if path in found else each for path, each in files.items()}
        for path, other in path_conflicts(here, left).items():
            fact = f"{NOT_ALLOWED}: {other} is in its place"
            found[path] = Problem(path, 0, 0, "", fact, "choose another name")
        if not (more := dependent_paths(before, after, found, files) - found.keys()):
            return found
        for path in more:
            fact = f"{NOT_ALLOWED}: the server stays where it is"
            remedy = "see the problem of the file that it should move to"
            found[path] = Problem(path, 0, 0, "", fact, remedy)


def _with_message(each: document.Document, problem: Problem) -> bytes:
    if each.state is None:
        return state_block.render(each.head, None)
    text = state_block.one_line(f"{problem} {GOES_ON}")
    return state_block.render(each.head, each.state.model_copy(update={"message": text}))
