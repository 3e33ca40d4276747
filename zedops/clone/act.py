"""Acts of a person on a fleet: one commit on top of the remote's main, pushed at once.

An act touches neither the working copy, nor the index, nor the person's own unpushed commits.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from zedops.clone import checkout, rebase
from zedops.clone.checkout import REMOTE, REMOTE_MAIN
from zedops.errors import GitFailed, Interrupted, RaceLost, UsageError
from zedops.fleet.deletions import TRAILER
from zedops.git.objects import Signature
from zedops.git.repository import Repository
from zedops.git.stderr import failure
from zedops.hub.refs import FOR_MAIN, MAIN

#: A push is tried so many times while other pushes are faster.
_ATTEMPTS = 20


def check_author(repository: Repository) -> None:
    """Raise UsageError if git does not know the author of commits."""
    try:
        repository.run("var", "GIT_AUTHOR_IDENT")
    except GitFailed as error:
        remedy = "`git config --global user.name NAME` and `… user.email ADDRESS`"
        raise UsageError(f"git does not know who you are; say so with {remedy}") from error


def act(
    repository: Repository, files: Mapping[str, bytes | None], message: str,
    options: tuple[str, ...] = (),
) -> str:
    """Commit files on top of the remote's main in the person's name and push that commit.

    A hub's own lines (the result, or its refusal) go straight to the terminal. Any other remote
    refuses a push that is behind: then the commit is made again on the new tip.
    """
    check_author(repository)
    made: list[str] = []
    try:
        if FOR_MAIN in checkout.setting(repository, "remote.origin.push"):
            tip = checkout.tip(repository, REMOTE_MAIN)
            made.append(commit_files(repository, tip, files, message))
            flags = [f"--push-option={option}" for option in options]
            _stream([
                "git", "push", "--quiet", *flags, "--end-of-options", "origin",
                f"{made[0]}:{FOR_MAIN}",
            ], repository.path)
        else:
            made.append(act_upstream(repository, files, message, options, sys.stderr.write))
    except KeyboardInterrupt:
        raise _interrupted(repository, message, made) from None
    _follow(repository)
    return made[0]


def _interrupted(repository: Repository, message: str, made: list[str]) -> Interrupted:
    """Report the result of a push that a person interrupted."""
    checkout.fetch(repository)
    for commit in made:
        with contextlib.suppress(GitFailed):
            repository.run(
                "merge-base", "--is-ancestor", "--end-of-options", commit, REMOTE_MAIN
            )
            look = "`zedops list` shows how far it is"
            return Interrupted(f"{message}: pushed, and goes on without you; {look}")
    fact = "interrupted before the hub took it in, so nothing changed"
    return Interrupted(f"{message}: {fact}; `zedops history` shows what was taken in")


def commit_files(
    repository: Repository, parent: str, files: Mapping[str, bytes | None], message: str
) -> str:
    """Make a commit in the person's name, on no branch; returns its id."""
    scratch = Signature("zedops", "zedops@localhost", 0)
    draft = repository.write_commit([parent], files, message, scratch, scratch)
    tree = repository.run("rev-parse", "--verify", "--end-of-options", f"{draft}^{{tree}}")
    sign = ["-S"] if checkout.setting(repository, "commit.gpgsign") == "true" else []
    return repository.run(
        "commit-tree", *sign, "-p", parent, "-m", message, "--end-of-options", tree
    )


def act_upstream(
    repository: Repository, files: Mapping[str, bytes | None], message: str,
    options: tuple[str, ...], say: Callable[[str], object],
) -> str:
    """Commit and push to a remote without zedops; what git says there goes to `say`."""
    said = [each.removeprefix("allow-delete=") for each in options]
    text = f"{message}\n\n{TRAILER}: {','.join(said)}" if said else message
    main = repository.tree(REMOTE_MAIN)
    branch, wanted = rebase.place(files, main, checkout.state_branch(repository))
    base = checkout.tip(repository, REMOTE + branch)
    for attempt in range(_ATTEMPTS):
        tip = checkout.tip(repository, REMOTE + branch)
        commit = commit_files(repository, tip, rebase.rebase(repository, base, tip, wanted), text)
        try:
            rebase.push(repository.path, f"{commit}:refs/heads/{branch}", say)
        except RaceLost:
            time.sleep(random.uniform(0, min(0.05 * 2**attempt, 2.0)))  # noqa: S311
            checkout.fetch(repository)
            continue
        return commit
    raise RaceLost("main moves too fast on the upstream; try again")


def _follow(repository: Repository) -> bool:
    """Fast-forward the clone's checked-out main to the hub's; False where git cannot."""
    checkout.fetch(repository)
    try:
        if repository.run("symbolic-ref", "--quiet", "HEAD") != MAIN:
            return False
        repository.run("merge", "--ff-only", "--quiet", REMOTE_MAIN)
    except GitFailed:
        return False
    return True


def _stream(command: list[str], cwd: Path) -> None:
    """Run git with the person's terminal, credentials and prompts."""
    done = subprocess.run(command, cwd=cwd, env=dict(os.environ), check=False)
    if done.returncode:
        raise failure((command[1],), "it said why above; nothing was changed")
