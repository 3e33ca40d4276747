"""The hub: the bare repository that a manager owns, with its hooks and its two refs.

`refs/heads/main` is the fleet. `refs/zedops/seen` is the newest commit whose definitions and
states the manager has taken in: what is between the two is work to do, also after a crash. Both
move in one transaction when the manager commits. Knows files and commits, not what they mean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from git import Repo

from zedops import __version__, faults, hook, snapshot
from zedops.errors import GitFailed, UsageError
from zedops.fleet import Fleet
from zedops.repository import IMPORTS, NO_OBJECT, Change, Repository, Signature

MAIN = "refs/heads/main"
SEEN = "refs/zedops/seen"
#: Where people push: merged into main by the hub, so that nobody is ever refused for being behind.
FOR_MAIN = "refs/for/main"
EMAIL = "zedops@localhost"

_CONFIG = {
    "core.fsync": "all",
    "receive.procReceiveRefs": "refs/for",
    "receive.advertisePushOptions": "true",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.autogc": "false",
    "gc.auto": "0",
    "zedops.hub": "true",
}
HOOKS = ("pre-receive", "proc-receive", "post-receive")


class Hub:
    """A fleet's bare repository. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.repository = Repository(self.path)
        #: Runtime files: socket, lock, epoch. Not part of the repository.
        self.runtime = self.path / "zedops"
        self._short = 0  # how long git's short ids are here

    @classmethod
    def create(cls, path: Path) -> Hub:
        """Make a hub. UsageError if something is there already."""
        if path.exists():
            raise UsageError(f"{path} exists already; choose another name")
        Repo.init(path, mkdir=True, bare=True, initial_branch="main").close()
        hub = cls(path)
        hub.equip()
        return hub

    @staticmethod
    def is_hub(path: Path) -> bool:
        """Tell a hub from any other repository."""
        config = path / "config"
        return config.is_file() and (path / "objects").is_dir() and "[zedops]" in config.read_text()

    def equip(self) -> None:
        """Set the configuration and install or upgrade the hooks. Safe to repeat."""
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        for key, value in _CONFIG.items():
            self.repository.run("config", key, value)
        folder = self.path / "hooks"
        folder.mkdir(exist_ok=True)
        script = folder / "zedops-hook.py"
        _write(script, f"# zedops {__version__}\n{Path(hook.__file__).read_text()}", 0o644)
        for name in HOOKS:
            line = f"exec {_quoted(sys.executable)} -IS {_quoted(str(script))} {name}"
            _write(folder / name, f"#!/bin/sh\n# zedops {__version__}\n{line}\n", 0o755)

    @property
    def default_name(self) -> str:
        """Name the fleet where its settings do not."""
        return snapshot.name_from(self.path)

    def head(self) -> str | None:
        """Find main's newest commit; None in an empty hub. Reads one file in the common case."""
        try:
            text = (self.path / MAIN).read_text().strip()
        except OSError:
            text = ""
        return text if len(text) == len(NO_OBJECT) else self.repository.resolve(MAIN)

    def read(
        self, commit: str, warm: Fleet | None = None, repository: Repository | None = None
    ) -> tuple[Fleet, list[Change]]:
        """Read the fleet at a commit; see `snapshot.read`."""
        return snapshot.read(repository or self.repository, commit, self.default_name, warm)

    def authors(self, before: str, after: str) -> dict[str, str]:
        """Find for each path between two commits the newest commit by a person (short id)."""
        if (found := self._newest_author(before, after)) is not None:
            return found
        out = self.repository.pipe(
            "log", "--no-merges", "--no-renames", "--format=%x01%h%x02%ce", "--name-only", "-z",
            f"{before}..{after}" if before else after,
        )
        newest: dict[str, str] = {}
        for record in out.decode("utf-8", "surrogateescape").split("\x01")[1:]:
            meta, _, names = record.partition("\0")
            short, _, email = meta.partition("\x02")
            if email != EMAIL:
                for path in names.strip("\n\0").split("\0"):
                    newest.setdefault(path.lstrip("\n"), short)
        return newest

    def _newest_author(self, before: str, after: str) -> dict[str, str] | None:
        """Answer for one commit, pushed onto main or merged into it; None where there are more."""
        tip = self.repository.commit(after)
        pushed = tip
        if tip is not None and len(tip.parents) == 2:
            pushed = self.repository.commit(tip.parents[1])
        if tip is None or pushed is None or tip.parents[:1] != (before,) or len(pushed.parents) > 1:
            return None
        paths = {change.path for change in pushed.changes}
        if not paths.issuperset(change.path for change in tip.changes):
            return None
        if not self._short:
            self._short = len(self.repository.run("rev-parse", "--short", after))
        return {} if pushed.email == EMAIL else dict.fromkeys(paths, pushed.id[: self._short])

    def commit(self, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
        """Commit state onto main; RaceLost if main is not at `parent` any more."""
        signature = self.signature()
        new = self.repository.write_commit([parent], files, message, signature, signature)
        faults.point("hub.written")
        self.repository.move_ref(MAIN, new, parent, SEEN)
        faults.point("hub.moved")
        return new

    def see(self, commit: str) -> None:
        """Remember what was taken in, where there was nothing to commit."""
        self.repository.run("update-ref", SEEN, commit)

    def seen(self) -> str | None:
        """Find the newest commit that was taken in."""
        return self.repository.resolve(SEEN)

    def signature(self) -> Signature:
        """Sign as zedops, now."""
        return Signature("zedops", EMAIL, int(time.time()))

    def next_epoch(self) -> int:
        """Count this manager start; newer managers' documents win over older ones'."""
        path = self.runtime / "epoch"
        try:
            epoch = int(path.read_text()) + 1
        except (FileNotFoundError, ValueError):
            epoch = 0
        # a hub restored from a backup must not be taken for an old one
        epoch = max(epoch, int(time.time()))
        _write(path, str(epoch), 0o600)
        return epoch

    def clear_stale_lock(self) -> None:
        """Remove what a killed git left: a lock, unfinished imports. Only for the sole owner."""
        (self.path / f"{MAIN}.lock").unlink(missing_ok=True)
        left = self.repository.run("for-each-ref", "--format=delete %(refname)", IMPORTS)
        if left:
            self.repository.pipe("update-ref", "--stdin", stdin=f"{left}\n".encode())

    def merge_base(self, one: str, other: str, repository: Repository) -> str | None:
        """Find the best common ancestor of two commits."""
        try:
            return repository.run("merge-base", one, other)
        except GitFailed:
            return None


def _write(path: Path, text: str, mode: int) -> None:
    partial = path.with_name(path.name + ".new")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
