"""Pushes a person's act to a remote without zedops, which refuses a push that is behind.

It merges the act into newer commits, by document, and pushes again. It never forces a push. git
itself handles prompts and credentials.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Container, Mapping
from pathlib import Path

from zedops.errors import InvalidInput, RaceLost
from zedops.fleet.merge import merge
from zedops.fleet.state_branch import without_state
from zedops.git.objects import Entry
from zedops.git.repository import Repository
from zedops.git.stderr import failure
from zedops.spec.layout import Kind, kind_of

Files = Mapping[str, bytes | None]


def place(files: Files, main: Container[str], state_branch: str | None) -> tuple[str, Files]:
    """Choose the branch and the content of changed files; `main` holds the paths of main.

    With a state branch, only that branch has tombstones, and main's definitions have no states. A
    restored server keeps its state, because the manager recognizes the server by it.
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
    blobs = repository.objects.blobs(each.blob for each in both if each)

    def read(tree: Mapping[str, Entry]) -> dict[str, bytes | None]:
        return {path: blobs[tree[path].blob] if path in tree else None for path in files}

    merged, problems = merge(read(before), read(now), files, repository.merge_text)
    if problems:
        raise InvalidInput(problems)
    return merged


def push(root: Path, refspec: str, say: Callable[[str], object]) -> None:
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
            say(done.stderr)
        raise error
    say(done.stderr)
