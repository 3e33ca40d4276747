"""Makes working copies of a fleet and sets them up, through GitPython.

`init`, `clone` and the commands that repair a clone use it. They load the models anyway, so
GitPython's import of 70 ms matters little. Acts and reads run git themselves, without GitPython.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import git

from zedops.errors import UsageError
from zedops.git import stderr
from zedops.hub.refs import FOR_MAIN


def clone(url: str, folder: Path) -> Path:
    """Clone a fleet; returns the working copy's root. UsageError for a URL that runs commands."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} exists already and is not empty; choose another name")
    with _errors("clone"), git.Repo.clone_from(url, folder) as repo:
        return _root(repo)


def begin(url: str, folder: Path) -> Path:
    """Make an empty working copy of a remote that is empty, too; returns its root."""
    with _errors("init"), git.Repo.init(folder, initial_branch="main") as repo:
        repo.create_remote("origin", url)
        return _root(repo)


def equip(root: Path, *, of_hub: bool) -> None:
    """Set what `git push` and `git pull` do in a working copy. Safe to repeat."""
    with _errors("config"), git.Repo(root) as repo, repo.config_writer() as config:
        if of_hub:
            config.set_value('remote "origin"', "push", f"HEAD:{FOR_MAIN}")
        config.set_value("pull", "rebase", "true")
        config.set_value("rebase", "autoStash", "true")


def push_first(root: Path, files: list[str], message: str) -> None:
    """Commit files as the first commit of main, push it, and have main follow the remote's.

    Where git does not know the person, zedops is the author: a first try needs no git settings.
    """
    with _errors("push"), git.Repo(root) as repo:
        repo.git.add("--", *files)
        repo.git(c=_identity(repo)).commit("--quiet", "-m", message)
        repo.remote().push("main:refs/heads/main").raise_if_error()
        repo.heads.main.set_tracking_branch(repo.remote().refs.main)


def _identity(repo: git.Repo) -> list[str]:
    try:
        repo.git.var("GIT_AUTHOR_IDENT")
    except git.GitCommandError:
        return ["user.name=zedops", "user.email=zedops@localhost"]
    return []


def _root(repo: git.Repo) -> Path:
    return Path(repo.working_dir).resolve()


@contextlib.contextmanager
def _errors(verb: str) -> Iterator[None]:
    """Turn GitPython's errors into ours."""
    try:
        yield
    except git.UnsafeProtocolError as error:
        remedy = "use ssh, https or a path"
        raise UsageError(f"this URL would run a command of its own; {remedy}") from error
    except git.GitCommandError as error:
        said = str(error.stderr).strip().removeprefix("stderr: ").strip("'")
        raise stderr.failure((verb,), said) from error
