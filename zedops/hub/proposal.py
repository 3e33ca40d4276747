"""Works out what main would become with a pushed commit, and writes that merge.

It merges by document (`fleet.merge`). It judges no content, and moves no ref: `receive` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zedops.errors import InvalidInput, Problem
from zedops.fleet.merge import folders, merge, path_conflicts
from zedops.git.objects import Entry, FileChange, Signature
from zedops.git.repository import Repository
from zedops.hub.history import merge_base
from zedops.hub.refs import MAIN

#: Limit of a file that both sides changed: the merge holds all of it in memory.
_MERGE_BYTES = 8 << 20
_PULL = "run `git pull`, resolve the conflict and push again"


@dataclass(frozen=True)
class Proposal:
    """A proposed main: an existing commit, or a merge of `files` onto `main`."""

    main: str
    base: str
    pushed: str
    files: Mapping[str, Entry | bytes | None]
    fast_forward: bool


def propose(repository: Repository, main: str | None, new: str) -> Proposal:
    """Work out the new main; InvalidInput carries every conflict."""
    if main is None:
        tree = dict(repository.tree(new))
        return Proposal("", "", new, tree, fast_forward=True)
    base = merge_base(repository, main, new)
    if base is None:
        fact = "this history has nothing in common with the fleet's"
        raise InvalidInput([Problem(MAIN, 0, 0, "", fact, "clone the fleet and start there")])
    theirs = {each.path: each for each in repository.changes(base, new)}
    files: dict[str, Entry | bytes | None] = {path: each.after for path, each in theirs.items()}
    if base != main:
        files |= _merge_files(repository, base, main, theirs)
        made = [path for path, each in theirs.items() if each.before is None]
        if made:
            _check_places(repository, main, made, files)
    return Proposal(main, base, new, files, fast_forward=base == main and base != new)


def _merge_files(
    repository: Repository, base: str, main: str, theirs: Mapping[str, FileChange]
) -> dict[str, bytes | Entry | None]:
    """Merge the files that both sides changed; InvalidInput carries every conflict."""
    ours = {each.path: each for each in repository.changes(base, main)}
    both = sorted(theirs.keys() & ours.keys())
    entries = [e for path in both for e in
               (theirs[path].before, theirs[path].after, ours[path].after) if e is not None]
    blobs = repository.objects.blobs((each.blob for each in entries), most=_MERGE_BYTES)
    large = [
        Problem(path, 0, 0, "", f"more than {_MERGE_BYTES >> 20} MiB cannot be merged", _PULL)
        for path in both
        if any(e and len(blobs[e.blob]) > _MERGE_BYTES
               for e in (theirs[path].after, ours[path].after))
    ]
    if large:
        raise InvalidInput(large)

    def read(entry: Entry | None) -> bytes | None:
        return blobs[entry.blob] if entry else None

    merged, problems = merge(
        {path: read(theirs[path].before) for path in both},
        {path: read(ours[path].after) for path in both},
        {path: read(theirs[path].after) for path in both},
        repository.merge_text,
    )
    if problems:
        raise InvalidInput(problems)
    return dict(merged)


def _check_places(
    repository: Repository, main: str, made: list[str],
    files: Mapping[str, Entry | bytes | None],
) -> None:
    """Refuse a file where main has a folder, and the reverse: a merge would drop one."""
    places = {place for path in made for place in (path, *folders(path))}
    kinds = repository.objects.kinds(main, places)
    here = {path for path, kind in kinds.items() if kind == "blob"}
    trees = [path for path in made if kinds.get(path) == "tree"]
    here |= repository.tree(main, *trees).keys() if trees else set()
    problems = [Problem(path, 0, 0, "", f"conflicts with {other}, which main has", _PULL)
                for path, other in sorted(path_conflicts(here, files).items())]
    if problems:
        raise InvalidInput(problems)


def write_merge(repository: Repository, proposal: Proposal, by_zedops: Signature) -> str:
    """Write the merge commit of a proposal, by the author of the pushed commit; move no ref."""
    who = repository.run("log", "-1", "--format=%an%x00%ae%x00%s", "--end-of-options",
                         proposal.pushed)
    name, email, subject = who.split("\0", 2)
    author = Signature(_plain(name), _plain(email), by_zedops.at_s)
    return repository.write_commit(
        [proposal.main, proposal.pushed], proposal.files, f"Merge: {subject}\n", author,
        by_zedops,
    )


def _plain(text: str) -> str:
    return "".join(c for c in text if c not in "<>\n\0").strip() or "unknown"
