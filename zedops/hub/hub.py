"""The hub: the bare repository that a manager owns, with its hooks and its refs.

`refs/heads/main` is the fleet. `refs/zedops/seen` is the newest commit that the manager has
processed. The difference between the two is work to do, also after a crash. Both move in one
transaction when the manager commits. The hub handles files and commits, not their meaning.
"""

from __future__ import annotations

import contextlib
import py_compile
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from zedops import __version__, failpoints
from zedops.errors import GitFailed, UsageError
from zedops.fleet.deletions import TRAILER
from zedops.fleet.fleet import SETTINGS_PATH, Fleet, read_settings
from zedops.fleet.trailers import EMAIL
from zedops.git.objects import NO_OBJECT, FileChange, Signature
from zedops.git.repository import IMPORTS, Repository
from zedops.hub import hook, snapshot
from zedops.spec.document import Document, parse
from zedops.spec.settings import Settings
from zedops.spec.state_block import split

MAIN = "refs/heads/main"
SEEN = "refs/zedops/seen"
#: The leading manager: a blob with its number. Each commit of a manager verifies it.
EPOCH = "refs/zedops/epoch"
#: People push here. The hub merges it into main, so it refuses no push for being behind.
FOR_MAIN = "refs/for/main"
#: The key under which git, too, looks for the URL of a remote called `upstream`.
UPSTREAM = "remote.upstream.url"

CONFIG = {
    "core.fsync": "all",
    "receive.procReceiveRefs": "refs/for",
    "receive.advertisePushOptions": "true",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.autogc": "false",
    "gc.auto": "0",
    "core.useReplaceRefs": "false",
    # a user's configuration must not disable the hooks; relative to the hub (git-config(1))
    "core.hooksPath": "hooks",
    # after an entry like `evil/x` in a tree git's own commands fail
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "fetch.fsckObjects": "true",
    "receive.maxInputSize": "512m",
    # a user's configuration must not change the output of `git log`, which the hub parses
    "log.showSignature": "false",
    "log.showRoot": "true",
    "zedops.hub": "true",
}
#: The key of the fleet's identity.
_IDENTITY = "zedops.id"
_HOOK_MODULE = "zedops_hook"
_RUN = "%s; sys.exit(hook.main('%s'))"


#: The arguments of `is_own`, for git's --format; separated by \x02.
_WHOSE = "%ce%x02%ae%x02%(trailers:key=Zedops-Server,valueonly,separator=%x2C)"


def is_own(committer: str, author: str, trailers: str) -> bool:
    """Tell zedops' own commits from people's, also after a person rebased them."""
    return committer == EMAIL or (author == EMAIL and bool(trailers))


class Hub:
    """A fleet's bare repository. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.repository = Repository(self.path)
        #: Runtime files: socket, lock, keys. Not part of the repository.
        self.runtime = self.path / "zedops"
        #: Documents that the check of the newest push parsed, by path: none is parsed twice.
        self.checked: Mapping[str, Document] = {}
        self._epoch = ""
        self._recalled: tuple[object, dict[str, str | None]] = (None, {})
        self._short = 0  # length of git's short ids in this hub

    @classmethod
    def create(cls, path: Path) -> Hub:
        """Make a hub. UsageError if the path exists."""
        if path.exists():
            raise UsageError(f"{path} exists already; choose another name")
        Repository.init(path, bare=True)
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
        held = self.held_config()
        for key, value in CONFIG.items():
            if held.get(key.lower()) != value:
                self.repository.run("config", "--replace-all", "--end-of-options", key, value)
        folder = self.path / "hooks"
        folder.mkdir(exist_ok=True)
        text = f"# zedops {__version__}\n{Path(hook.__file__).read_text()}"
        module = folder / f"{_HOOK_MODULE}.py"
        if not module.exists() or module.read_text() != text:
            _write(module, text, 0o644)
        # Python compiles a script at every start, in 3 ms, and a module once; it recompiles a
        # stale module, or one of another Python
        with contextlib.suppress(OSError, py_compile.PyCompileError):
            py_compile.compile(str(module), doraise=True)
        begin = f"import sys; sys.path.insert(0, {str(folder)!r}); import {_HOOK_MODULE} as hook"
        for name in hook.NAMES:
            fallback = f"-IS -c {_quoted(_RUN % (begin, name))}"
            text = hook.script(name, __version__, _quoted(sys.executable), fallback)
            _write(folder / name, text, 0o755)
        (folder / "zedops-hook.py").unlink(missing_ok=True)  # of earlier versions

    def held_config(self) -> dict[str, str]:
        """Read the hub's own configuration, without any user's: lower-case key to value."""
        out = self.repository.run("config", "--file", "config", "--null", "--list")
        pairs = (each.partition("\n") for each in out.split("\0") if each)
        return {key.lower(): value for key, _, value in pairs}

    def unset_config(self) -> list[str]:
        """Name the settings that differ from `CONFIG`."""
        held = self.held_config()
        return [key for key, value in CONFIG.items() if held.get(key.lower()) != value]

    @cached_property
    def default_name(self) -> str:
        """Name a fleet whose settings do not: as in its clones, after the remote or the path."""
        return snapshot.name_from(Path(self.upstream or self.path))

    def head(self) -> str | None:
        """Return main's newest commit; None in an empty hub."""
        return self._ref(MAIN)

    def refs(self) -> set[str]:
        """List the full names of all refs."""
        return set(self.repository.run("for-each-ref", "--format=%(refname)").split("\n"))

    def _ref(self, name: str) -> str | None:
        """Read a ref; None without one. A loose ref is one file, so this is cheap."""
        try:
            text = (self.path / name).read_text().strip()
        except OSError:
            text = ""
        if len(text) == len(NO_OBJECT):
            return text
        found = self.repository.run(
            "for-each-ref", "--format=%(objectname)", "--end-of-options", name
        )
        return found or None

    def read_settings(self) -> Settings:
        """Read the settings on main only; the defaults in an empty hub."""
        head = self.head()
        found = self.repository.tree(head, SETTINGS_PATH) if head else {}
        blobs = self.repository.blobs(each.blob for each in found.values())
        content = next(iter(blobs.values()), b"")
        return read_settings(content, self.default_name)[0]

    def read_fleet(
        self, commit: str, warm: Fleet | None = None, repository: Repository | None = None
    ) -> tuple[Fleet, list[FileChange]]:
        """Read the fleet at a commit; see `snapshot.read`."""
        return snapshot.read(
            repository or self.repository, commit, self.default_name, warm, self.checked
        )

    def authors(self, before: str, after: str) -> dict[str, str]:
        """Find for each path between two commits the newest commit by a person (short id)."""
        if (found := self._newest_author(before, after)) is not None:
            return found
        out = self.repository.pipe(
            "log", "--no-merges", "--no-renames", f"--format=%x01%h%x02{_WHOSE}",
            "--name-only", "-z", "--end-of-options",
            f"{before}..{after}" if before else after,
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
        """Find the definitions that are newer than the applied ones in their states.

        Returns for each path the commit that asks for it (short id). `seen` is not enough: a state
        commit about another server moves it, too.
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
        """Read confirmed deletions from commit messages, in the form of push options."""
        out = self.repository.run(
            "log", f"--format=%(trailers:key={TRAILER},valueonly,separator=%x2C)",
            "--end-of-options", f"{before}..{after}",
        )
        return tuple(f"allow-delete={line}" for line in out.splitlines() if line)

    @property
    def upstream(self) -> str | None:
        """Return the URL of the upstream that this hub follows; None without one."""
        return self.recall(UPSTREAM)

    def remember(self, key: str, value: str) -> None:
        """Store one value in the hub's configuration."""
        if self.recall(key) != value:
            self.repository.run("config", "--end-of-options", key, value)

    def identity(self) -> str:
        """Return the fleet's identity: its first commit, short; empty without a commit.

        It does not depend on the name. A new hub made from a clone has the same identity.
        """
        known, head = self.recall(_IDENTITY), self.head()
        if known or head is None:
            return known or ""
        first = self.repository.run(
            "rev-list", "--first-parent", "--max-parents=0", "--end-of-options", head
        )
        self.remember(_IDENTITY, first.split()[-1][:16])
        return first.split()[-1][:16]

    def recall(self, key: str) -> str | None:
        """Read a value of the hub's configuration; from memory while its file is unchanged."""
        file = (self.path / "config").stat()
        stamp = (file.st_ino, file.st_mtime_ns, file.st_size)
        if self._recalled[0] != stamp:
            self._recalled = (stamp, {})
        values = self._recalled[1]
        if key not in values:
            try:
                values[key] = self.repository.run("config", "--get", "--end-of-options", key)
            except GitFailed:
                values[key] = None
        return values[key]

    def _newest_author(self, before: str, after: str) -> dict[str, str] | None:
        """Find the authors if one commit was pushed or merged; None if there are more."""
        try:
            pushed = tip = self.repository.commit(after)
            if tip is not None and len(tip.parents) == 2:
                pushed = self.repository.commit(tip.parents[1])
        except GitFailed:  # an old malformed tree: `authors` reads each commit by itself
            return None
        if tip is None or pushed is None or tip.parents[:1] != (before,) or len(pushed.parents) > 1:
            return None
        paths = {change.path for change in pushed.changes}
        if not paths.issuperset(change.path for change in tip.changes):
            return None
        if not self._short:
            self._short = len(
                self.repository.run("rev-parse", "--short", "--end-of-options", after)
            )
        return {} if pushed.email == EMAIL else dict.fromkeys(paths, pushed.id[: self._short])

    def commit(self, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
        """Commit state onto main; RaceLost if main left `parent` or another manager leads."""
        signature = self.signature()
        new = self.repository.write_commit([parent], files, message, signature, signature)
        failpoints.point("hub.written")
        fence = {EPOCH: self._epoch} if self._epoch else {}
        self.repository.move_ref(MAIN, new, parent, SEEN, verify=fence)
        failpoints.point("hub.moved")
        return new

    def see(self, commit: str) -> None:
        """Move `seen` to a commit that needs no state commit; RaceLost if another manager leads."""
        lines = ["start", f"update {SEEN} {commit}"]
        lines += [f"verify {EPOCH} {self._epoch}"] if self._epoch else []
        stdin = "".join(f"{line}\n" for line in [*lines, "prepare", "commit"])
        self.repository.pipe("update-ref", "--stdin", stdin=stdin.encode())
        failpoints.point("hub.seen")

    def seen(self) -> str | None:
        """Return the newest commit that the manager has processed."""
        return self.repository.resolve(SEEN)

    def signature(self) -> Signature:
        """Sign as zedops, now."""
        return Signature("zedops", EMAIL, int(time.time()))

    def begin_epoch(self) -> int:
        """Begin a manager's epoch: from now on every commit of another manager fails."""
        before = self._ref(EPOCH)
        held = self.repository.blobs([before])[before] if before else self._old_epoch()
        # the number must grow even if the hub was restored from an old backup
        epoch = max(int(held or 0) + 1, int(time.time()))
        blob = self.repository.run("hash-object", "-w", "--stdin", stdin=f"{epoch}\n".encode())
        self.repository.move_ref(EPOCH, blob, before or NO_OBJECT)
        failpoints.point("hub.epoch")
        self._epoch = blob
        return epoch

    def is_current_epoch(self) -> bool:
        """Say whether no other manager has begun since `begin_epoch`."""
        return self._epoch == self._ref(EPOCH)

    def _old_epoch(self) -> bytes:
        """Read the epoch where releases before 0.2 kept it."""
        path = self.runtime / "epoch"
        return path.read_bytes() if path.exists() else b""

    def clear_stale_lock(self, patience_s: float = 0.0) -> None:
        """Remove locks and unfinished imports of a killed git. Only for the leading manager.

        `patience_s` is the time that a running git gets to release its lock.
        """
        locks = [self.path / f"{each}.lock" for each in (MAIN, EPOCH, SEEN)]
        deadline = time.monotonic() + patience_s
        while any(each.exists() for each in locks) and time.monotonic() < deadline:
            time.sleep(0.05)
        for lock in locks:
            lock.unlink(missing_ok=True)
        left = self.repository.run("for-each-ref", "--format=delete %(refname)", IMPORTS)
        if left:
            self.repository.pipe("update-ref", "--stdin", stdin=f"{left}\n".encode())

    def merge_base(self, one: str, other: str, repository: Repository) -> str | None:
        """Find the best common ancestor of two commits: mostly one is the other's parent."""
        try:
            step = repository.commit(other)
            if step is not None and one in step.parents:
                return one
        except GitFailed:  # no readable commit: git reports that below
            pass
        try:
            return repository.run("merge-base", "--end-of-options", one, other)
        except GitFailed:
            # git fails in the same way if it cannot read the common history
            try:
                repository.run("rev-list", "--quiet", "--end-of-options", one, other)
            except GitFailed as error:
                raise repository.damaged(error) from error
            return None


def _is_same(before: bytes, each: Document) -> bool:
    """Compare the definitions of two versions of a file: first as text, which is fast."""
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
