"""A person's act on a remote that knows nothing of zedops, and refuses whoever is behind.

The act is laid over what others pushed meanwhile, by document, and pushed again. Nothing is ever
forced. Knows git and documents; prompts and credentials are git's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Container, Mapping
from pathlib import Path

from zedops.errors import InvalidInput, RaceLost
from zedops.fleet import Kind, kind_of
from zedops.merge import merge
from zedops.objects import Entry
from zedops.overlay import without_state
from zedops.repository import Repository
from zedops.trouble import failure

Files = Mapping[str, bytes | None]


def place(files: Files, main: Container[str], state_branch: str | None) -> tuple[str, Files]:
    """Say on which branch files are changed, and how; `main` has the paths that are there.

    Where states have a branch of their own, tombstones are there and nowhere else, and main's
    definitions have no states. A restored server keeps its own, by which it is recognised.
    """
    if state_branch is None:
        return "main", files
    graves = {path: each for path, each in files.items() if kind_of(path) is Kind.TOMBSTONE}
    if graves and len(graves) == len(files):
        return state_branch, graves
    return "main", {
        path: without_state(each) if each and path in main else each
        for path, each in files.items()
        if path not in graves or each is not None
    }


def rebase(repository: Repository, base: str, tip: str, files: Files) -> Files:
    """Merge an act made on `base` into `tip`. InvalidInput carries every conflict."""
    if base == tip:
        return files
    before, now = repository.tree(base), repository.tree(tip)
    both = [each.get(path) for path in files for each in (before, now)]
    blobs = repository.blobs(each.blob for each in both if each)

    def read(tree: Mapping[str, Entry]) -> dict[str, bytes | None]:
        return {path: blobs[tree[path].blob] if path in tree else None for path in files}

    merged, problems = merge(read(before), read(now), files, repository.merge_text)
    if problems:
        raise InvalidInput(problems)
    return merged


def push(root: Path, refspec: str) -> None:
    """Push to the origin with the person's credentials and prompts. RaceLost if it is behind."""
    done = subprocess.run(
        ["git", "push", "--quiet", "--end-of-options", "origin", refspec],
        cwd=root, env={**os.environ, "LC_ALL": "C"}, check=False,
        # prompts of git and ssh go to the terminal itself
        stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode:
        error = failure(("push",), done.stderr)
        if not isinstance(error, RaceLost):
            sys.stderr.write(done.stderr)
        raise error
    sys.stderr.write(done.stderr)
