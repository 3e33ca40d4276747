"""Pushes acts for people who have no terminal here: in their names, with all output captured.

The desk has a clone of its own beside the manager. Its pushes pass the same checks as every push.
One act at a time.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from zedops.clone import checkout, rebase
from zedops.clone.act import act_upstream, commit_files
from zedops.clone.checkout import REMOTE_MAIN
from zedops.clone.clone import Clone
from zedops.clone.history import read_history
from zedops.clone.verbs import Act
from zedops.errors import GitFailed, InvalidInput, UsageError, ZedopsError
from zedops.hub.refs import FOR_MAIN
from zedops.queries.output import HistoryRow
from zedops.spec.layout import Kind, kind_of

_VIA = "Zedops-Via: web"
_PUSH_S = 120.0


class NotPushed(ZedopsError):
    """A push was refused; `lines` are the hub's own words."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True)
class Author:
    """The person of a commit."""

    name: str
    email: str

    @property
    def env(self) -> dict[str, str]:
        """Give git's variables for the author and the committer."""
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", self.name), ("EMAIL", self.email))}


@dataclass(frozen=True)
class Merged:
    """A file merged into a commit of main."""

    base: str  #: that commit
    now: bytes | None  #: what it has at the file's path
    content: bytes  #: as it was given, where that conflicts
    conflicts: tuple[str, ...] = ()


class Desk:
    """A clone of a hub, or of the hub's upstream, in which acts are made."""

    def __init__(self, remote: str, folder: Path) -> None:
        self._remote, self._folder = remote, folder
        self._lock = threading.Lock()

    @contextmanager
    def clone(self, *, fetch: bool = True) -> Iterator[Clone]:
        """Give the clone, as new as its remote. Only one caller has it at a time.

        Without `fetch` it is as new as its last act, which costs less.
        """
        with self._lock:
            if not (self._folder / ".git").exists():
                made = Clone.begin(self._remote, self._folder)
                # a key of this machine's user signs for no other person
                made.repository.run("config", "--end-of-options", "commit.gpgsign", "false")
            clone = Clone(self._folder)
            if fetch:
                clone.fetch()
            yield clone

    def tip(self) -> str:
        """Name the newest commit of main."""
        with self.clone() as clone:
            commit = clone.repository.resolve(REMOTE_MAIN)
        if commit is None:
            raise UsageError("the hub has no main yet; push a first commit")
        return commit

    def push(self, made: Act, author: Author, base: str, message: str) -> tuple[str, list[str]]:
        """Commit an act on top of `base`, and push it; returns the commit and the hub's lines.

        NotPushed if the hub, or the upstream, refuses it; then nothing has changed.
        """
        with self.clone() as clone:
            clone.repository = clone.repository.with_env(author.env)
            text = f"{message.strip() or made.message}\n\n{_VIA}"
            if FOR_MAIN not in checkout.setting(clone.repository, "remote.origin.push"):
                said: list[str] = []
                try:
                    commit = act_upstream(
                        clone.repository, made.files, text, made.options, said.append
                    )
                except GitFailed as error:
                    raise NotPushed([*said, str(error)]) from error
                return commit, said
            commit = commit_files(clone.repository, base, made.files, text)
            return commit, _send(clone, commit, made.options)

    def prepare(self, made: Act, author: Author, base: str, message: str) -> bytes:
        """Make a commit for its author to sign; returns its raw bytes. Nothing is pushed."""
        with self.clone() as clone:
            repository = clone.repository.with_env(author.env)
            if FOR_MAIN not in checkout.setting(repository, "remote.origin.push"):
                fact = "the page signs no commits for an upstream"
                raise UsageError(f"{fact}; make this one in a clone, with your own key")
            text = f"{message.strip() or made.message}\n\n{_VIA}"
            commit = commit_files(repository, base, made.files, text)
            return repository.objects.blobs([commit])[commit]

    def push_raw(self, raw: bytes, options: Sequence[str]) -> tuple[str, list[str]]:
        """Push a commit as its signer made it; returns it and the hub's lines. NotPushed."""
        with self.clone() as clone:
            out = clone.repository.pipe("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
            commit = out.decode().strip()
            return commit, _send(clone, commit, options)

    def merged(self, base: str, path: str, content: bytes) -> Merged:
        """Merge a file that was changed since `base` into the newest main, as the hub would."""
        with self.clone() as clone:
            tip = clone.at(REMOTE_MAIN)
            now = clone.contents(tip, [path])[path]
            try:
                made = rebase.rebase(clone.repository, base, tip, {path: content})[path]
            except InvalidInput as error:
                return Merged(tip, now, content, tuple(str(error).splitlines()))
        return Merged(tip, now, made or content)

    def history(self, server: str | None, count: int) -> list[HistoryRow]:
        """Read the newest changes of a server, or of the fleet, newest first."""
        with self.clone() as clone:
            found = read_history(clone.repository, server, count, clone.branches())
        return list(reversed(found))

    def made_at(self, commit: str) -> datetime:
        """Say when a commit was made, by its own words."""
        with self.clone() as clone:
            said = clone.repository.run("log", "-1", "--format=%cI", "--end-of-options", commit)
        return datetime.fromisoformat(said.strip())

    def undo(self, commit: str) -> tuple[Act, str]:
        """Take back what one commit changed, as `git revert` does; returns the act and its base.

        InvalidInput names files that changed again since then.
        """
        with self.clone() as clone:
            repository = clone.repository
            whole, base = repository.resolve(commit), repository.resolve(REMOTE_MAIN)
            if whole is None or base is None:
                raise UsageError(f"no commit {commit!r} in this fleet")
            before = repository.resolve(f"{whole}^")
            if before is None:
                raise UsageError("the first commit cannot be undone")
            paths = [each.path for each in repository.changes(before, whole)
                     if kind_of(each.path) is not Kind.OTHER]
            files = clone.contents(before, paths)
            made = rebase.rebase(repository, whole, base, files)
            now = clone.contents(base, list(made))
            made = {path: each for path, each in made.items() if each != now[path]}
            subject = repository.run("log", "-1", "--format=%s", "--end-of-options", whole)
        if not made:
            raise UsageError("nothing of that commit is left to undo")
        gone = [Path(path).stem for path, each in made.items() if each is None]
        return Act(f'Revert "{subject}"\n\nThis reverts commit {whole}.', made,
                   tuple(f"allow-delete={name}" for name in gone)), base


def _send(clone: Clone, commit: str, options: Sequence[str]) -> list[str]:
    """Push a commit to the hub; returns its lines. NotPushed."""
    flags = [f"--push-option={each}" for each in (*options, "no-wait")]
    done = subprocess.run(
        ["git", "push", "--quiet", *flags, "--end-of-options", "origin", f"{commit}:{FOR_MAIN}"],
        cwd=clone.root, capture_output=True, text=True, errors="replace", check=False,
        timeout=_PUSH_S, env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
    )
    lines = _said(done.stderr)
    if done.returncode:
        raise NotPushed(lines or ["the push failed, and git gave no reason"])
    return lines


def _said(stderr: str) -> list[str]:
    """Keep the hub's lines of what git says."""
    lines = [line.removeprefix("remote:").strip() for line in stderr.splitlines()]
    heads = ("To ", "error: failed to push", "hint: ", "! [remote rejected]")
    return [line for line in lines if line and not line.startswith(heads)]
