"""A git repository, bare or not: reads by pipe, commits by fast-import, refs by compare-and-swap.

Everything goes through git's own commands, the hot paths through its batch ones: `cat-file --batch`
(42 ms for 10,000 blobs), `diff-tree`, `fast-import`. A library between would cost a command 115 ms
of start-up (GitPython) or push past the hub's hooks (pygit2, dulwich). Knows nothing of fleets.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from zedops import faults, loose, trouble
from zedops.batch import Batch
from zedops.errors import GitFailed
from zedops.objects import NO_OBJECT, Change, Commit, Entry, Signature, import_stream, raw_changes

#: Where commits are made before any branch knows them.
IMPORTS = "refs/zedops/import"
#: Where the objects of a push are until it is taken in (git-receive-pack(1)).
QUARANTINE = "GIT_OBJECT_DIRECTORY"
_TYPES = (b"blob", b"tree", b"commit", b"tag")
#: As many blobs at most are asked of a process that runs already; more have one of their own.
_FEW = 20


def clean_environment() -> None:
    """Forget the `GIT_*` that a hook inherits, so that git looks where it is told (githooks(5))."""
    for key in [key for key in os.environ if key.startswith("GIT_") and key not in _HARMLESS]:
        del os.environ[key]


_HARMLESS = frozenset({
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT",
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_TRACE", "GIT_EXEC_PATH",
})  # fmt: skip


class Repository:
    """One repository on disk. Safe to use from several threads."""

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._env = dict(env or {})
        self._commits: Batch | None = None
        self._blobs: Batch | None = None
        self._sizes: Batch | None = None

    def keep_open(self) -> None:
        """Answer short questions from processes that stay, until `close`."""
        self._commits = Batch(
            self.path, "diff-tree", "--stdin", "-r", "-z", "-m", "--raw", "--no-renames",
            "--always", "--format=%H%x00%ce%x00%P", echo="{}\n".format, env=self._env,
        )
        missing, env = "{} missing\n".format, self._env
        self._blobs = Batch(self.path, "cat-file", "--batch", echo=missing, env=env)
        self._sizes = Batch(self.path, "cat-file", "--batch-check", echo=missing, env=env)

    def renew(self) -> None:
        """Have new processes answer from now on: the old ones hold packs that were replaced."""
        for each in (self._commits, self._blobs, self._sizes):
            if each is not None:
                each.close()

    def close(self) -> None:
        """End those processes."""
        self.renew()
        self._commits = self._blobs = self._sizes = None

    @classmethod
    def init(cls, path: Path, *, bare: bool) -> Repository:
        """Make a repository whose branch is main."""
        path.mkdir(parents=True, exist_ok=True)
        made = cls(path)
        made.run("init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
        return made

    def with_env(self, env: Mapping[str, str]) -> Repository:
        """See the repository as a hook does: with a push's objects in quarantine; or with keys."""
        return type(self)(self.path, {**self._env, **env})

    def run(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run one git command and return what it printed. GitFailed carries its words."""
        out = self.pipe(*arguments, stdin=stdin or b"")
        return out.decode("utf-8", "surrogateescape").removesuffix("\n")

    def pipe(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Feed a batch command and return its output as bytes."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", **self._env},
            check=False,
        )
        if done.returncode:
            raise self._trouble(arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    def _trouble(self, arguments: tuple[str, ...], said: str) -> GitFailed:
        """Make the error for a command that failed, with what a person can do where that is known.

        What the command left behind is removed.
        """
        for name in trouble.left_behind(said):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        if (found := trouble.of_disk(self.path, arguments[0], said)) is not None:
            return found
        lost = trouble.is_told(said) or (trouble.NOT_THERE in said and any(
            len(each) == len(NO_OBJECT) and not self._has(f"{each}^{{tree}}") for each in arguments
        ))
        plain = trouble.failure(arguments, said)
        return self.damaged(plain) if lost else plain

    def _has(self, name: str) -> bool:
        """Say whether an object is there and can be read."""
        with contextlib.suppress(GitFailed):
            self.pipe("cat-file", "-e", "--end-of-options", name)
            return True
        return False

    def damaged(self, fact: object) -> GitFailed:
        """Make the error for lacking what should be here."""
        return trouble.of_objects(self.path, fact)

    def resolve(self, revision: str) -> str | None:
        """Find the commit behind a ref or an abbreviated id; None if there is none."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", "--end-of-options",
                            f"{revision}^{{commit}}")
        except GitFailed:
            return None

    def tree(self, commit: str, *under: str) -> dict[str, Entry]:
        """List every file of a commit, or those under some paths."""
        out = self.pipe(
            "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit, *under
        )
        entries = {}
        for record in out.split(b"\0")[:-1]:
            meta, _, path = record.partition(b"\t")
            mode, _, blob = meta.split()[:3]
            entries[path.decode("utf-8", "surrogateescape")] = Entry(int(mode, 8), blob.decode())
        return entries

    def changes(self, before: str, after: str) -> list[Change]:
        """List the files that differ between two commits, renames as a removal and an addition."""
        try:
            step = self.commit(after)
            if step is not None and step.parents[:1] == (before,):
                return step.changes
            out = self.pipe("diff-tree", "-r", "-z", "--raw", "--no-renames", "--end-of-options",
                            before, after)
        except GitFailed:
            return self._compared(before, after)
        return raw_changes(out.split(b"\0")[:-1])

    def _compared(self, before: str, after: str) -> list[Change]:
        """Compare two commits file by file: a malformed tree ends git's own comparison.

        None comes in any more (`receive.fsckObjects`), but one may be there from before.
        """
        one, other = self.tree(before), self.tree(after)
        return [Change(path, one.get(path), other.get(path))
                for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]

    def steps(self, pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
        """Name the files that differ between pairs of commits, by the second of each pair."""
        lines = "".join(f"{after} {before}\n" for before, after in pairs)
        fields = iter(self.pipe(
            "diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--always",
            "--format=%H", stdin=lines.encode(),
        ).decode("utf-8", "surrogateescape").split("\0")[:-1])
        found: dict[str, list[str]] = {}
        paths: list[str] = []
        for each in fields:
            if each.lstrip("\n").startswith(":"):
                paths.append(next(fields))
            else:
                paths = found[each] = []
        return found

    def commit(self, commit: str) -> Commit | None:
        """Read a commit with what it changes; None where that cannot be told in short."""
        if self._commits is None:
            return None
        out = self._commits.ask(commit)
        if not out:
            raise self.damaged(f"commit {commit} cannot be read")
        found, email, parents, *fields = out.split(b"\0")
        changes, others = raw_changes(fields), tuple(parents.decode().split())
        if len(others) > 1 and out.count(found + b"\0" + email) != len(others):
            return None  # a merge that equals one parent is shown against the others alone
        return Commit(found.decode(), email.decode(errors="replace"), others, changes)

    def blob_ids(self, names: Iterable[str]) -> list[str | None]:
        """Find blobs by `COMMIT:PATH`, in order; None for one that is not there."""
        return [name if kind == "blob" else None for kind, name in self._named(names)]

    def kinds(self, commit: str, paths: Iterable[str]) -> dict[str, str]:
        """Say what a commit has at some paths: `blob` or `tree`; what is not there is left out."""
        wanted = [path for path in paths if "\n" not in path]
        found = self._named(f"{commit}:{path}" for path in wanted)
        return {path: kind for path, (kind, _) in zip(wanted, found, strict=True)
                if kind in ("blob", "tree")}

    def _named(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Find objects by name, in order: type and id; two empty texts for one that is missing."""
        # people write commits and paths: a line break in one must not shift the answers
        stdin = "".join(f"{each.replace(chr(10), '?')}\n" for each in names)
        out = self.pipe(
            "cat-file", "--batch-check=%(objecttype) %(objectname)", "--buffer",
            stdin=stdin.encode("utf-8", "surrogateescape"),
        )
        # of one that is missing git repeats the name, whatever is in it
        words = [line.split(b" ") for line in out.split(b"\n")[:-1]]
        return [(each[0].decode(), each[1].decode())
                if len(each) == 2 and each[0] in _TYPES else ("", "") for each in words]

    def blobs(self, ids: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Read blobs through one `cat-file --batch`.

        Of one with more than `most` bytes nothing is read: it comes as `most + 1` zeros. A push of
        a few KB may hold a blob of many GB.
        """
        wanted = sorted(set(ids))
        if most is not None:
            read = self._in_quarantine(wanted, most)
            wanted = [each for each in wanted if each not in read]
            sizes = self.sizes(wanted)
            read |= {each: bytes(most + 1) for each, size in sizes.items() if size > most}
            return self.blobs(each for each in wanted if each not in read) | read
        if not wanted:
            return {}
        if self._blobs is not None and len(wanted) <= _FEW:
            out = self._blobs.ask(*wanted)
        else:
            stdin = "".join(f"{each}\n" for each in wanted).encode()
            out = self.pipe("cat-file", "--batch", "--buffer", stdin=stdin)
        found, offset = {}, 0
        for each in wanted:
            end = out.index(b"\n", offset)
            header = out[offset:end].split()
            if len(header) != 3:
                raise self.damaged(f"object {each} cannot be read")
            size = int(header[2])
            found[each] = out[end + 1 : end + 1 + size]
            offset = end + size + 2
        return found

    def _in_quarantine(self, ids: list[str], most: int) -> dict[str, bytes]:
        folder = self._env.get(QUARANTINE)
        if folder is None or len(ids) > _FEW:
            return {}
        found = {each: loose.blob(self.path / folder, each, most) for each in ids}
        return {each: content for each, content in found.items() if content is not None}

    def kind(self, name: str) -> str:
        """Say what an object is: `commit`, `tag`, `tree` or `blob`; empty where there is none."""
        if self._sizes is None:
            return self._named([name])[0][0]
        words = self._sizes.ask(name).decode().split()
        return words[1] if len(words) == 3 else ""

    def sizes(self, ids: list[str]) -> dict[str, int]:
        """Say how large blobs are; those that cannot be read are left out."""
        if not ids:
            return {}
        if self._sizes is not None and len(ids) <= _FEW:
            out = self._sizes.ask(*ids)
        else:
            stdin = "".join(f"{each}\n" for each in ids).encode()
            out = self.pipe("cat-file", "--batch-check", "--buffer", stdin=stdin)
        said = (line.split() for line in out.decode().splitlines())
        return {words[0]: int(words[2]) for words in said if len(words) == 3}

    def write_commit(
        self,
        parents: list[str],
        files: Mapping[str, bytes | Entry | None],
        message: str,
        author: Signature,
        committer: Signature,
    ) -> str:
        """Write a commit: the first parent's tree with `files` replaced (None removes).

        No branch moves; that is `move_ref`'s. Returns the new commit's id.
        """
        ref = f"{IMPORTS}/{uuid.uuid4().hex}"
        stream = import_stream(ref, parents, files, message, author, committer)
        out = self.pipe("fast-import", "--quiet", "--force", "--date-format=raw", "--done",
                        stdin=stream)
        faults.point("git.imported")
        return out.decode().strip()

    def move_ref(
        self, ref: str, new: str, old: str, *also: str, verify: Mapping[str, str] | None = None
    ) -> None:
        """Move a ref from `old` (NO_OBJECT: it must not exist) to `new`, or raise RaceLost.

        In the same transaction refs in `also` go along, whatever they were, and those in `verify`
        must be what it says.
        """
        lines = ["start", f"update {ref} {new} {old}", *(f"update {each} {new}" for each in also)]
        lines += [f"verify {each} {value}" for each, value in (verify or {}).items()]
        stdin = "".join(f"{line}\n" for line in [*lines, "prepare", "commit"])
        self.pipe("update-ref", "--stdin", stdin=stdin.encode())

    def merge_text(self, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        """Merge three texts by line with git's own merge; None on a conflict."""
        import tempfile  # rarely needed, and slow to load

        with tempfile.TemporaryDirectory(prefix="zedops-merge-") as folder:
            names = []
            for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
                (Path(folder) / name).write_bytes(content)
                names.append(str(Path(folder) / name))
            try:
                return self.pipe("merge-file", "-p", "-q", "--end-of-options", *names)
            except GitFailed:
                return None
