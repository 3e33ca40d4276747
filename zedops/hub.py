"""The hub: the bare repository that a manager owns, with its hooks and its two refs.

`refs/heads/main` is the fleet. `refs/zedops/seen` is the newest commit whose definitions and
states the manager has taken in: what is between the two is work to do, also after a crash. Both
move in one transaction when the manager commits. Knows files and commits, not what they mean.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from git import Repo

from zedops import __version__, faults, hook, snapshot
from zedops.deletions import TRAILER
from zedops.document import Document, parse, split
from zedops.errors import GitFailed, UsageError
from zedops.fleet import Fleet
from zedops.repository import IMPORTS, NO_OBJECT, Change, Repository, Signature

MAIN = "refs/heads/main"
SEEN = "refs/zedops/seen"
#: Where people push: merged into main by the hub, so that nobody is ever refused for being behind.
FOR_MAIN = "refs/for/main"
EMAIL = "zedops@localhost"
#: The key under which git, too, looks for the URL of a remote called `upstream`.
UPSTREAM = "remote.upstream.url"

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


#: What `is_own` needs to know of a commit, for git's --format; separated by \x02.
_WHOSE = "%ce%x02%ae%x02%(trailers:key=Zedops-Server,valueonly,separator=%x2C)"


def is_own(committer: str, author: str, trailers: str) -> bool:
    """Tell zedops' own commits from people's: also those that somebody rebased since."""
    return committer == EMAIL or (author == EMAIL and bool(trailers))


class Hub:
    """A fleet's bare repository. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.repository = Repository(self.path)
        #: Runtime files: socket, lock, epoch. Not part of the repository.
        self.runtime = self.path / "zedops"

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

    @cached_property
    def default_name(self) -> str:
        """Name the fleet where its settings do not: as its clones do, after what they are of."""
        return snapshot.name_from(Path(self.upstream or self.path))

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
        out = self.repository.pipe(
            "log", "--no-merges", "--no-renames", f"--format=%x01%h%x02{_WHOSE}",
            "--name-only", "-z", f"{before}..{after}" if before else after,
        )
        newest: dict[str, str] = {}
        for record in out.decode("utf-8", "surrogateescape").split("\x01")[1:]:
            meta, _, names = record.partition("\0")
            short, *whose = meta.split("\x02")
            if not is_own(*whose):
                for path in names.strip("\n\0").split("\0"):
                    newest.setdefault(path.lstrip("\n"), short)
        return newest

    def unanswered(self, commit: str, servers: Iterable[Document]) -> dict[str, str]:
        """Find the definitions that are newer than the one their states say was applied.

        Gives for each path the commit that asks for it (short id). What `seen` says is not enough:
        a state commit about something else moves it, too.
        """
        applied = [(e, e.state.commit) for e in servers if e.state and e.state.commit]
        names = [f"{at}:{each.path}" for each, at in applied]
        ids = self.repository.blob_ids(names)
        texts = self.repository.blobs(each for each in ids if each)
        found = {}
        for (each, at), blob in zip(applied, ids, strict=True):
            if blob is None or _is_same(texts[blob], each):
                continue
            if asked := self.authors(at, commit).get(each.path):
                found[each.path] = asked
        return found

    def options(self, before: str, after: str) -> tuple[str, ...]:
        """Read what people said twice in the messages of commits, as options of a push say it."""
        out = self.repository.run(
            "log", f"--format=%(trailers:key={TRAILER},valueonly,separator=%x2C)",
            f"{before}..{after}",
        )
        return tuple(f"allow-delete={line}" for line in out.splitlines() if line)

    @property
    def upstream(self) -> str | None:
        """Say which remote this hub follows, if it does."""
        return self.recall(UPSTREAM)

    def remember(self, key: str, value: str) -> None:
        """Keep one value in the hub's configuration."""
        if self.recall(key) != value:
            self.repository.run("config", key, value)

    def recall(self, key: str) -> str | None:
        """Read a value of the hub's configuration."""
        try:
            return self.repository.run("config", "--get", key)
        except GitFailed:
            return None

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


def _is_same(before: bytes, each: Document) -> bool:
    """Compare what two versions of a file ask for: first as text, which is fast."""
    if split(before.decode("utf-8", "surrogateescape"))[0] == each.head:
        return True
    return parse(each.path, before).definition == each.definition


def _write(path: Path, text: str, mode: int) -> None:
    partial = path.with_name(path.name + ".new")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
