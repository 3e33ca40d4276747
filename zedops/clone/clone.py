"""A person's clone of a fleet: reads the hub's fleet, and acts by committing and pushing.

An act is one commit on top of the hub's main. It touches neither the working copy, nor the index,
nor the person's own unpushed commits. A clone that is behind works, too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from zedops.clone import act, checkout
from zedops.clone import edits as clone_edits
from zedops.clone.checkout import REMOTE, REMOTE_MAIN
from zedops.clone.origin import Origin
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.fleet.state_branch import with_states
from zedops.git.repository import Repository
from zedops.git.stderr import failure
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.queries.changes import propose
from zedops.spec import strays
from zedops.spec.document import stem
from zedops.spec.layout import NAME, PRESETS, SERVERS, tombstone_path
from zedops.spec.settings import Settings


class Clone:
    """A working clone of a fleet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository = Repository(root)
        self.origin = Origin(root, self.repository)

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

        setup.equip(self.root, of_hub=self.origin.is_hub())

    def keep(self, settings: Sequence[tuple[str, str]]) -> None:
        """Add git settings to this clone's configuration; one key may have several values."""
        for key, value in settings:
            self.repository.run("config", "--add", "--end-of-options", key, value)

    @property
    def default_name(self) -> str:
        """Name a fleet whose settings give no name, by the same rule as its hub."""
        return self.origin.default_name

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

    def read_server(self, name: str, revision: str = REMOTE_MAIN) -> Fleet:
        """Read the settings, one server and its tombstone: all that an act on one server needs."""
        return self.read_servers([name], revision)

    def read_servers(self, names: Sequence[str], revision: str = REMOTE_MAIN) -> Fleet:
        """Read the settings, some servers and their tombstones."""
        tip = checkout.tip(self.repository, revision)
        known = [name for name in names if NAME.fullmatch(name)]  # others must not become paths
        if not known:
            return self._some(tip)
        paths = [path for name in known
                 for path in (f"{SERVERS}/{name}.yaml", tombstone_path(name))]
        if len(known) > 1 or paths[0] not in self.repository.tree(tip, paths[0]):
            # a file may be in a folder: list the names only, read no file
            wanted = set(known)
            paths += [path for path in self.repository.tree(tip, SERVERS)
                      if stem(path) in wanted and path not in paths]
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
        return self._some(checkout.tip(self.repository, REMOTE_MAIN)).settings

    def rules(self) -> Fleet:
        """Read the settings and presets only, as the hub had them at the last fetch."""
        tip = checkout.tip(self.repository, REMOTE_MAIN)
        return self._some(tip, *self.repository.tree(tip, PRESETS))

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

    def proposed_fleet(
        self, edits: clone_edits.Edits | None = None
    ) -> tuple[Fleet, Fleet, set[str]]:
        """Apply edits, by default those of the working copy, to the hub's fleet.

        Returns the hub's fleet, the same fleet with the edits, and the edited paths.
        """
        hub, edits = self.fleet(), edits or clone_edits.edits(self.repository)
        base, mine = snapshot.edited(
            self.repository, self.default_name, hub, edits.base, edits.files
        )
        return hub, *propose(hub, base, self._with_states(mine), datetime.now(UTC))

    def act(
        self, files: Mapping[str, bytes | None], message: str, options: tuple[str, ...] = ()
    ) -> str:
        """Commit files on top of the remote's main in the person's name and push; see `act`."""
        return act.act(self.repository, files, message, options)

    def contents(self, commit: str, paths: Sequence[str]) -> dict[str, bytes | None]:
        """Read files of a commit; None for a path that it has not."""
        tree = self.repository.tree(commit)
        blobs = self.repository.objects.blobs(tree[path].blob for path in paths if path in tree)
        return {path: blobs[tree[path].blob] if path in tree else None for path in paths}

    def _config(self, key: str) -> str:
        return checkout.setting(self.repository, key)
