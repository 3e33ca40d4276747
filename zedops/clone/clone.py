"""A person's clone of a fleet: reads the hub's fleet, and acts by committing and pushing.

An act is one commit on top of the hub's main. It touches neither the working copy, nor the index,
nor the person's own unpushed commits. A clone that is behind works, too.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from zedops.clone import checkout, rebase
from zedops.clone import edits as clone_edits
from zedops.clone.checkout import REMOTE, REMOTE_MAIN
from zedops.errors import GitFailed, Interrupted, RaceLost, UsageError
from zedops.fleet.deletions import TRAILER
from zedops.fleet.fleet import Fleet
from zedops.fleet.state_branch import with_states
from zedops.git.objects import Signature
from zedops.git.repository import Repository
from zedops.git.stderr import failure
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.refs import FOR_MAIN, MAIN, SEEN
from zedops.queries.changes import propose
from zedops.spec import strays
from zedops.spec.document import stem
from zedops.spec.layout import NAME, SERVERS, tombstone_path
from zedops.spec.settings import Settings
from zedops.system.paths import default_hub

#: Where a clone notes the hub that follows the same upstream.
_HUB = "zedops.hubPath"
#: A push is tried so many times while other pushes are faster.
_ATTEMPTS = 20


class Clone:
    """A working clone of a fleet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository = Repository(root)

    @classmethod
    def find(cls, start: Path) -> Clone:
        """Find the clone that a directory is in. UsageError says how to get one."""
        return cls(checkout.find_clone(start).path)

    @classmethod
    def checkout(cls, start: Path) -> Clone:
        """Find the working copy that a directory is in, of a hub or of any other remote."""
        return cls(checkout.find(start).path)

    @classmethod
    def make(cls, url: str, folder: Path) -> Clone:
        """Clone a fleet, set up so that a plain `git push` is never refused for being behind."""
        from zedops.clone import setup

        made = cls(setup.clone(url, folder))
        made.equip()
        return made

    @classmethod
    def begin(cls, hub: Hub | str, folder: Path) -> Clone:
        """Make the first clone of an empty hub, or of another empty remote."""
        from zedops.clone import setup

        made = cls(setup.begin(hub if isinstance(hub, str) else str(hub.path), folder))
        made.equip()
        return made

    @staticmethod
    def list_remote(url: str) -> str:
        """List the branches of a remote, with the person's credentials and prompts."""
        done = subprocess.run(
            ["git", "ls-remote", "--heads", "--", url], stdout=subprocess.PIPE, check=False
        )
        if done.returncode:
            raise failure(("ls-remote",), "it said why above")
        return done.stdout.decode()

    def equip(self) -> None:
        """Set where `git push` goes. Safe to repeat."""
        from zedops.clone import setup

        setup.equip(self.root, of_hub=self.is_of_hub())

    def keep(self, settings: Sequence[tuple[str, str]]) -> None:
        """Add git settings to this clone's configuration; one key may have several values."""
        for key, value in settings:
            self.repository.run("config", "--add", "--end-of-options", key, value)

    def is_of_hub(self) -> bool:
        """Tell whether the remote is a hub: its directory on this machine, or its ref, says so."""
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
    def url(self) -> str:
        """Return the remote's URL; for a remote on this machine its absolute path."""
        url = self.repository.run("config", "remote.origin.url")
        path = self.origin_path()
        return str(path.resolve()) if path else url

    def hub_path(self) -> Path | None:
        """Find the hub on this machine: the remote itself, or the hub that follows the remote."""
        origin = self.origin_path()
        if origin is not None and Hub.is_hub(origin):
            return origin
        named = self._config(_HUB)
        place = Path(named) if named else default_hub(self.url, self.default_name)
        return place if Hub.is_hub(place) else None

    def name_hub(self, hub: Hub) -> None:
        """Store the path of the hub that follows the same upstream."""
        self.repository.run("config", "--end-of-options", _HUB, str(hub.path))

    @property
    def default_name(self) -> str:
        """Name a fleet whose settings give no name, by the same rule as its hub."""
        return snapshot.name_from(Path(self._config("remote.origin.url") or self.root))

    def fetch(self) -> None:
        """Fetch from the remote. UsageError if it was a hub on this machine that is gone."""
        checkout.fetch(self.repository)

    def at(self, when: str) -> str:
        """Resolve a commit, or find main's commit at a time (ISO 8601, local without an offset)."""
        return checkout.at(self.repository, when)

    def fleet(self, revision: str = REMOTE_MAIN) -> Fleet:
        """Read the fleet at a revision, by default as the hub had it at the last fetch.

        With a state branch, main's definitions get the states of that branch.
        """
        commit = self.repository.resolve(revision)
        if commit is None:
            remedy = "push a first commit with zedops.yaml, or fetch"
            raise UsageError(f"{self.root} knows no {revision}; {remedy}")
        fleet = snapshot.read(self.repository, commit, self.default_name)[0]
        return self._with_states(fleet) if revision == REMOTE_MAIN else fleet

    def read_server(self, name: str) -> Fleet:
        """Read the settings, one server and its tombstone: all that an act on one server needs."""
        tip = self._tip(REMOTE_MAIN)
        if not NAME.fullmatch(name):  # it must not become a path
            return self._some(tip)
        paths = [f"{SERVERS}/{name}.yaml", tombstone_path(name)]
        if paths[0] not in self.repository.tree(tip, paths[0]):
            # the file is in a folder: list the names only, read no file
            paths += [path for path in self.repository.tree(tip, SERVERS) if stem(path) == name]
        return self._with_states(self._some(tip, *paths), *paths)

    def last_place(self, name: str) -> str:
        """Find the last path of a deleted server's file in this clone's history."""
        found = self.repository.pipe(
            "log", "-1", "--no-renames", "--diff-filter=D", "--name-only", "-z", "--format=",
            REMOTE_MAIN, "--", checkout.places(name),
        ).decode("utf-8", "surrogateescape").strip("\n\0")
        return found.split("\0")[0].strip() or f"{SERVERS}/{name}.yaml"

    def settings(self) -> Settings:
        """Read the settings only, as the hub had them at the last fetch."""
        return self._some(self._tip(REMOTE_MAIN)).settings

    def _some(self, commit: str, *paths: str) -> Fleet:
        return snapshot.read_some(self.repository, commit, self.default_name, *paths)

    def _with_states(self, fleet: Fleet, *paths: str) -> Fleet:
        """Add the states of the state branch, if there is one, to all definitions or to `paths`."""
        branch = fleet.settings.state_branch
        commit = self.repository.resolve(REMOTE + branch) if branch else None
        if commit is None:
            return fleet
        if paths:
            return with_states(fleet, self._some(commit, *paths))
        return with_states(fleet, snapshot.read(self.repository, commit, self.default_name)[0])

    def branches(self) -> list[str]:
        """Name the refs that hold the fleet's history."""
        return checkout.branches(self.repository)

    def is_answered(self, commit: str) -> bool:
        """Say whether zedops has committed a state after a person's commit."""
        newest = self.branches()[-1]
        return bool(self.repository.run(
            "log", "--max-count=1", "--format=%H", "--ancestry-path", "--grep=^Zedops-Server:",
            "--end-of-options", f"{commit}..{newest}",
        ))

    def working_fleet(self) -> Fleet:
        """Read the fleet as the working copy has it, uncommitted edits included."""
        files = {path: clone_edits.read(self.root, path) for path in self._paths()}
        base = snapshot.empty(self.default_name)
        made = snapshot.apply(self.repository, "", self.default_name, base, files)
        return self._with_states(made)

    def suspects(self) -> dict[str, object]:
        """Read the files of the working copy that may be meant as definitions; see `strays`."""
        return {path: clone_edits.read(self.root, path)
                for path in self._paths() if strays.is_suspect(path)}

    def _paths(self) -> list[str]:
        listed = self.repository.pipe(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard"
        )
        return [raw.decode("utf-8", "surrogateescape") for raw in listed.split(b"\0")[:-1]]

    def proposed_fleet(self) -> tuple[Fleet, Fleet, set[str]]:
        """Apply the edits of the working copy to the hub's fleet.

        Returns the hub's fleet, the same fleet with the edits, and the edited paths.
        """
        hub, edits = self.fleet(), clone_edits.edits(self.repository)
        base, mine = snapshot.edited(
            self.repository, self.default_name, hub, edits.base, edits.files
        )
        return hub, *propose(hub, base, self._with_states(mine), datetime.now(UTC))

    def check_author(self) -> None:
        """Raise UsageError if git does not know the author of commits."""
        try:
            self.repository.run("var", "GIT_AUTHOR_IDENT")
        except GitFailed as error:
            remedy = "`git config --global user.name NAME` and `… user.email ADDRESS`"
            raise UsageError(f"git does not know who you are; say so with {remedy}") from error

    def act(
        self, files: Mapping[str, bytes | None], message: str, options: tuple[str, ...] = ()
    ) -> str:
        """Commit files on top of the remote's main in the person's name and push that commit.

        A hub's own lines (the result, or its refusal) go straight to the terminal. Any other remote
        refuses a push that is behind: then the commit is made again on the new tip.
        """
        self.check_author()
        made: list[str] = []
        try:
            if FOR_MAIN in self._config("remote.origin.push"):
                made.append(self._commit(self._tip(REMOTE_MAIN), files, message))
                flags = [f"--push-option={option}" for option in options]
                _stream([
                    "git", "push", "--quiet", *flags, "--end-of-options", "origin",
                    f"{made[0]}:{FOR_MAIN}",
                ], self.root)
            else:
                made.append(self._act_upstream(files, message, options))
        except KeyboardInterrupt:
            raise self._interrupted(message, made) from None
        self.follow()
        return made[0]

    def _interrupted(self, message: str, made: list[str]) -> Interrupted:
        """Report the result of a push that a person interrupted."""
        self.fetch()
        for commit in made:
            with contextlib.suppress(GitFailed):
                self.repository.run(
                    "merge-base", "--is-ancestor", "--end-of-options", commit, REMOTE_MAIN
                )
                look = "`zedops list` shows how far it is"
                return Interrupted(f"{message}: pushed, and goes on without you; {look}")
        fact = "interrupted before the hub took it in, so nothing changed"
        return Interrupted(f"{message}: {fact}; `zedops history` shows what was taken in")

    def _tip(self, ref: str) -> str:
        commit = self.repository.resolve(ref)
        if commit is None:
            raise UsageError("the hub has no main yet; push a first commit")
        return commit

    def _commit(self, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
        scratch = Signature("zedops", "zedops@localhost", 0)
        draft = self.repository.write_commit([parent], files, message, scratch, scratch)
        tree = self.repository.run("rev-parse", "--verify", "--end-of-options", f"{draft}^{{tree}}")
        sign = ["-S"] if self._config("commit.gpgsign") == "true" else []
        return self.repository.run(
            "commit-tree", *sign, "-p", parent, "-m", message, "--end-of-options", tree
        )

    def _act_upstream(
        self, files: Mapping[str, bytes | None], message: str, options: tuple[str, ...]
    ) -> str:
        said = [each.removeprefix("allow-delete=") for each in options]
        text = f"{message}\n\n{TRAILER}: {','.join(said)}" if said else message
        main = self.repository.tree(REMOTE_MAIN)
        branch, wanted = rebase.place(files, main, checkout.state_branch(self.repository))
        base = self._tip(REMOTE + branch)
        for attempt in range(_ATTEMPTS):
            tip = self._tip(REMOTE + branch)
            commit = self._commit(tip, rebase.rebase(self.repository, base, tip, wanted), text)
            try:
                rebase.push(self.root, f"{commit}:refs/heads/{branch}")
            except RaceLost:
                time.sleep(random.uniform(0, min(0.05 * 2**attempt, 2.0)))  # noqa: S311
                self.fetch()
                continue
            return commit
        raise RaceLost("main moves too fast on the upstream; try again")

    def follow(self) -> bool:
        """Fast-forward the clone's checked-out main to the hub's; False where git cannot."""
        self.fetch()
        try:
            if self.repository.run("symbolic-ref", "--quiet", "HEAD") != MAIN:
                return False
            self.repository.run("merge", "--ff-only", "--quiet", REMOTE_MAIN)
        except GitFailed:
            return False
        return True

    def _config(self, key: str) -> str:
        return checkout.setting(self.repository, key)


def _stream(command: list[str], cwd: Path) -> None:
    """Run git with the person's terminal, credentials and prompts."""
    done = subprocess.run(command, cwd=cwd, env=dict(os.environ), check=False)
    if done.returncode:
        raise failure((command[1],), "it said why above; nothing was changed")
