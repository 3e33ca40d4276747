"""The hub: the bare repository that a manager owns, with its hooks and its refs.

`refs/heads/main` is the fleet. `refs/zedops/seen` is the newest commit whose definitions and
states the manager has taken in: what is between the two is work to do, also after a crash. Both
move in one transaction when the manager commits. Knows files and commits, not what they mean.
"""

from __future__ import annotations

import contextlib
import py_compile
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from zedops import __version__, faults, hook, snapshot
from zedops.deletions import TRAILER
from zedops.document import Document, parse
from zedops.errors import GitFailed, UsageError
from zedops.fleet import SETTINGS_PATH, Fleet, read_settings
from zedops.objects import NO_OBJECT, Change, Signature
from zedops.repository import IMPORTS, Repository
from zedops.settings import Settings
from zedops.state_block import split
from zedops.trailers import EMAIL

MAIN = "refs/heads/main"
SEEN = "refs/zedops/seen"
#: Which manager leads: a blob with its number. Every commit of a manager checks that it is its own.
EPOCH = "refs/zedops/epoch"
#: Where people push: merged into main by the hub, so that nobody is ever refused for being behind.
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
    # a user's own configuration must not switch the hooks off; relative to the hub (git-config(1))
    "core.hooksPath": "hooks",
    # an entry like `evil/x` in a tree makes git's own commands fail from then on
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "fetch.fsckObjects": "true",
    "receive.maxInputSize": "512m",
    # what a user's own configuration would change about `git log`, which is read here
    "log.showSignature": "false",
    "log.showRoot": "true",
    "zedops.hub": "true",
}
#: Where a hub keeps which fleet it is.
_IDENTITY = "zedops.id"
_HOOK_MODULE = "zedops_hook"
_RUN = "%s; sys.exit(hook.main('%s'))"


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
        #: Runtime files: socket, lock, keys. Not part of the repository.
        self.runtime = self.path / "zedops"
        #: By path, what the newest push was checked as: its YAML need not be read once more.
        self.checked: Mapping[str, Document] = {}
        self._epoch = ""
        self._recalled: tuple[object, dict[str, str | None]] = (None, {})
        self._short = 0  # how long git's short ids are here

    @classmethod
    def create(cls, path: Path) -> Hub:
        """Make a hub. UsageError if something is there already."""
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
        # a module is compiled once, a script at every start, for 3 ms; a stale one, or one of
        # another Python, is compiled anew by Python itself
        with contextlib.suppress(OSError, py_compile.PyCompileError):
            py_compile.compile(str(module), doraise=True)
        begin = f"import sys; sys.path.insert(0, {str(folder)!r}); import {_HOOK_MODULE} as hook"
        for name in hook.NAMES:
            fallback = f"-IS -c {_quoted(_RUN % (begin, name))}"
            text = hook.script(name, __version__, _quoted(sys.executable), fallback)
            _write(folder / name, text, 0o755)
        (folder / "zedops-hook.py").unlink(missing_ok=True)  # what earlier versions ran

    def held_config(self) -> dict[str, str]:
        """Read the hub's own configuration, and no user's: lower-case key to value."""
        out = self.repository.run("config", "--file", "config", "--null", "--list")
        pairs = (each.partition("\n") for each in out.split("\0") if each)
        return {key.lower(): value for key, _, value in pairs}

    def unset_config(self) -> list[str]:
        """Name the settings that are not as a hub needs them."""
        held = self.held_config()
        return [key for key, value in CONFIG.items() if held.get(key.lower()) != value]

    @cached_property
    def default_name(self) -> str:
        """Name the fleet where its settings do not: as its clones do, after what they are of."""
        return snapshot.name_from(Path(self.upstream or self.path))

    def head(self) -> str | None:
        """Find main's newest commit; None in an empty hub."""
        return self._ref(MAIN)

    def has(self, ref: str) -> bool:
        """Say whether there is a ref of this full name."""
        return self._ref(ref) is not None

    def _ref(self, name: str) -> str | None:
        """Read a ref: one file in the common case, so that looking costs nothing."""
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
        """Read the newest settings only; the defaults in an empty hub."""
        head = self.head()
        found = self.repository.tree(head, SETTINGS_PATH) if head else {}
        blobs = self.repository.blobs(each.blob for each in found.values())
        content = next(iter(blobs.values()), b"")
        return read_settings(content, self.default_name)[0]

    def read(
        self, commit: str, warm: Fleet | None = None, repository: Repository | None = None
    ) -> tuple[Fleet, list[Change]]:
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
            "--end-of-options", f"{before}..{after}",
        )
        return tuple(f"allow-delete={line}" for line in out.splitlines() if line)

    @property
    def upstream(self) -> str | None:
        """Say which remote this hub follows, if it does."""
        return self.recall(UPSTREAM)

    def remember(self, key: str, value: str) -> None:
        """Keep one value in the hub's configuration."""
        if self.recall(key) != value:
            self.repository.run("config", "--end-of-options", key, value)

    def identity(self) -> str:
        """Say which fleet this is, whatever its name: its first commit, short; empty without one.

        A hub that is made anew from a clone has the same one.
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
        """Read a value of the hub's configuration; from memory while its file is the same one."""
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
        """Answer for one commit, pushed onto main or merged into it; None where there are more."""
        try:
            pushed = tip = self.repository.commit(after)
            if tip is not None and len(tip.parents) == 2:
                pushed = self.repository.commit(tip.parents[1])
        except GitFailed:  # a malformed tree from before: each commit is looked at by itself
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
        """Commit state onto main; RaceLost if main is not at `parent`, or another manager leads."""
        signature = self.signature()
        new = self.repository.write_commit([parent], files, message, signature, signature)
        faults.point("hub.written")
        fence = {EPOCH: self._epoch} if self._epoch else {}
        self.repository.move_ref(MAIN, new, parent, SEEN, verify=fence)
        faults.point("hub.moved")
        return new

    def see(self, commit: str) -> None:
        """Remember what was taken in, where there was nothing to commit."""
        self.repository.run("update-ref", "--end-of-options", SEEN, commit)
        faults.point("hub.seen")

    def seen(self) -> str | None:
        """Find the newest commit that was taken in."""
        return self.repository.resolve(SEEN)

    def signature(self) -> Signature:
        """Sign as zedops, now."""
        return Signature("zedops", EMAIL, int(time.time()))

    def begin_epoch(self) -> int:
        """Begin a manager's time: from now on no other one commits here, whatever it believes."""
        before = self._ref(EPOCH)
        held = self.repository.blobs([before])[before] if before else self._old_epoch()
        # a hub restored from a backup must not be taken for an old one
        epoch = max(int(held or 0) + 1, int(time.time()))
        blob = self.repository.run("hash-object", "-w", "--stdin", stdin=f"{epoch}\n".encode())
        self.repository.move_ref(EPOCH, blob, before or NO_OBJECT)
        faults.point("hub.epoch")
        self._epoch = blob
        return epoch

    def is_current_epoch(self) -> bool:
        """Say whether no other manager has begun since `begin_epoch`."""
        return self._epoch == self._ref(EPOCH)

    def _old_epoch(self) -> bytes:
        """Read where releases before 0.2 kept it."""
        path = self.runtime / "epoch"
        return path.read_bytes() if path.exists() else b""

    def clear_stale_lock(self, patience_s: float = 0.0) -> None:
        """Remove what a killed git left: a lock, unfinished imports. Only for whoever leads.

        With `patience_s` somebody else's git may still be at work: it gets that long to finish.
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
        except GitFailed:  # no commit, or none that can be read: git says it below
            pass
        try:
            return repository.run("merge-base", "--end-of-options", one, other)
        except GitFailed:
            # git says the same where it cannot read what they have in common
            try:
                repository.run("rev-list", "--quiet", "--end-of-options", one, other)
            except GitFailed as error:
                raise repository.damaged(error) from error
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
