"""A person's clone of a fleet: read what the hub says, act by committing and pushing.

An act is one commit on top of what the hub has now, made without touching the working copy, the
index or commits of the person's own that are not pushed yet. A clone that is behind just works.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from git import Repo

from zedops import snapshot
from zedops.errors import GitFailed, UsageError
from zedops.fleet import Fleet
from zedops.forecast import rebase
from zedops.hub import FOR_MAIN, MAIN, SEEN, Hub
from zedops.identity import succeed
from zedops.repository import Repository, Signature, failure

_REMOTE_MAIN = "refs/remotes/origin/main"
_NO_CLONE = "go into a clone of a fleet, or make one with `zedops clone`"


class Clone:
    """A working clone of a fleet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository = Repository(root)

    @classmethod
    def find(cls, start: Path) -> Clone:
        """Find the clone that a directory is in. UsageError says how to get one."""
        clone = cls.checkout(start)
        if not clone._config("remote.origin.url"):
            raise UsageError(f"{clone.root} is no clone of a fleet; {_NO_CLONE}")
        return clone

    @classmethod
    def checkout(cls, start: Path) -> Clone:
        """Find the working copy that a directory is in, be it of a hub or of any other remote."""
        if not start.is_dir():
            raise UsageError(f"{start} is no directory; {_NO_CLONE}")
        try:
            return cls(Path(Repository(start).run("rev-parse", "--show-toplevel")))
        except GitFailed as error:
            raise UsageError(f"{start} is no clone of a fleet; {_NO_CLONE}") from error

    @classmethod
    def make(cls, url: str, folder: Path) -> Clone:
        """Clone a fleet, set up so that a plain `git push` is never refused for being behind."""
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} exists already and is not empty; choose another name")
        _stream(["git", "clone", "--quiet", "--", url, str(folder)], Path.cwd())
        clone = cls(folder.resolve())
        clone.equip()
        return clone

    @classmethod
    def begin(cls, hub: Hub, folder: Path) -> Clone:
        """Make the first clone of a hub that is still empty."""
        Repo.init(folder, mkdir=True, initial_branch="main").close()
        clone = cls(folder.resolve())
        clone.repository.run("remote", "add", "origin", str(hub.path))
        clone.equip()
        return clone

    def equip(self) -> None:
        """Set where `git push` goes. Safe to repeat."""
        if self.is_of_hub():
            self.repository.run("config", "remote.origin.push", f"HEAD:{FOR_MAIN}")
        self.repository.run("config", "pull.rebase", "true")
        self.repository.run("config", "rebase.autoStash", "true")

    def is_of_hub(self) -> bool:
        """Tell a zedops hub from any other remote: it has a ref of its own, or is one on disk."""
        origin = self.origin_path()
        if origin is not None:
            return Hub.is_hub(origin)
        return bool(self.repository.run("ls-remote", "origin", SEEN))

    def origin_path(self) -> Path | None:
        """Find the remote's directory, if it is on this machine."""
        url = self.repository.run("config", "remote.origin.url")
        path = Path(url.removeprefix("file://"))
        return self.root / path if (self.root / path).is_dir() else None

    @property
    def default_name(self) -> str:
        """Name the fleet where its settings do not, as its hub does."""
        return snapshot.name_from(Path(self._config("remote.origin.url") or self.root))

    def fetch(self) -> None:
        """Learn what the hub has now."""
        self.repository.run("fetch", "--quiet", "origin")

    def fleet(self, revision: str = _REMOTE_MAIN) -> Fleet:
        """Read the fleet at a revision, by default as the hub had it at the last fetch."""
        commit = self.repository.resolve(revision)
        if commit is None:
            remedy = "push a first commit with zedops.yaml, or fetch"
            raise UsageError(f"{self.root} knows no {revision}; {remedy}")
        return snapshot.read(self.repository, commit, self.default_name)[0]

    def working_fleet(self) -> Fleet:
        """Read the fleet as the working copy has it, uncommitted edits included."""
        listed = self.repository.pipe(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard"
        )
        files: dict[str, bytes | None] = {}
        for raw in listed.split(b"\0")[:-1]:
            path = raw.decode("utf-8", "surrogateescape")
            if (self.root / path).is_file():
                files[path] = (self.root / path).read_bytes()
        base = snapshot.empty(self.default_name)
        return snapshot.apply(self.repository, "", self.default_name, base, files)

    def proposed_fleet(self) -> tuple[Fleet, Fleet, set[str]]:
        """Put the edits of the working copy onto what the hub has.

        Returns the hub's fleet, that fleet with the edits, and the paths that they are in.
        """
        hub = self.fleet()
        try:
            commit = self.repository.run("merge-base", "HEAD", _REMOTE_MAIN)
            base = snapshot.read(self.repository, commit, self.default_name, hub)[0]
        except GitFailed:  # nothing was committed here yet
            base = hub
        made, paths = rebase(base, self.working_fleet(), hub)
        return hub, succeed(hub, made, paths, _nobody, datetime.now(UTC)), paths

    def act(
        self, files: Mapping[str, bytes | None], message: str, options: tuple[str, ...] = ()
    ) -> str:
        """Commit files on top of the hub's main in the person's name and push that commit.

        The hub's own lines (what happened, or why not) go straight to the terminal.
        """
        parent = self.repository.resolve(_REMOTE_MAIN)
        if parent is None:
            raise UsageError("the hub has no main yet; push a first commit")
        try:
            self.repository.run("var", "GIT_AUTHOR_IDENT")
        except GitFailed as error:
            remedy = "`git config --global user.name NAME` and `… user.email ADDRESS`"
            raise UsageError(f"git does not know who you are; say so with {remedy}") from error
        scratch = Signature("zedops", "zedops@localhost", 0)
        draft = self.repository.write_commit([parent], files, message, scratch, scratch)
        tree = self.repository.run("rev-parse", f"{draft}^{{tree}}")
        sign = ["-S"] if self._config("commit.gpgsign") == "true" else []
        commit = self.repository.run(
            "commit-tree", *sign, tree, "-p", parent, "-m", message
        )
        self._push(commit, options)
        self.follow()
        return commit

    def _push(self, commit: str, options: tuple[str, ...]) -> None:
        to = FOR_MAIN if FOR_MAIN in self._config("remote.origin.push") else MAIN
        flags = [f"--push-option={option}" for option in options]
        _stream(["git", "push", "--quiet", *flags, "origin", f"{commit}:{to}"], self.root)

    def follow(self) -> bool:
        """Bring the clone's own main up to the hub's where that loses nothing."""
        self.fetch()
        try:
            if self.repository.run("symbolic-ref", "--quiet", "HEAD") != MAIN:
                return False
            self.repository.run("merge", "--ff-only", "--quiet", _REMOTE_MAIN)
        except GitFailed:
            return False
        return True

    def _config(self, key: str) -> str:
        try:
            return self.repository.run("config", "--get", key)
        except GitFailed:
            return ""


def _nobody() -> str:
    """Stand for the id that a new server will get."""
    return "0" * 26


def _stream(command: list[str], cwd: Path) -> None:
    """Run git with the person's terminal, credentials and prompts."""
    done = subprocess.run(command, cwd=cwd, env=dict(os.environ), check=False)
    if done.returncode:
        raise failure((command[1],), "it said why above; nothing was changed")
