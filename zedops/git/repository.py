"""A git repository, bare or not: reads by pipe, commits by fast-import, refs by compare-and-swap.

Everything goes through git's own commands, the hot paths through its batch ones: `cat-file --batch`
(42 ms for 10,000 blobs), `diff-tree`, `fast-import`. A library instead would add 115 ms to each
command's start (GitPython) or push past the hub's hooks (pygit2, dulwich). Knows nothing of fleets.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from zedops import failpoints
from zedops.errors import GitFailed
from zedops.git import loose_objects, stderr
from zedops.git.batch import Batch
from zedops.git.objects import (
    NO_OBJECT,
    Commit,
    Entry,
    FileChange,
    Signature,
    import_stream,
    raw_changes,
)

#: Refs of new commits that no branch names yet.
IMPORTS = "refs/zedops/import"
#: Names the directory of a push's objects until git accepts it (git-receive-pack(1)).
QUARANTINE = "GIT_OBJECT_DIRECTORY"
_TYPES = (b"blob", b"tree", b"commit", b"tag")
#: At most this many blobs go through a running process; more get a process of their own.
_FEW = 20


def clean_environment() -> None:
    """Remove inherited `GIT_*` variables: in a hook they name another repository (githooks(5))."""
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
        """Start git processes that answer short queries until `close`."""
        self._commits = Batch(
            self.path, "diff-tree", "--stdin", "-r", "-z", "-m", "--raw", "--no-renames",
            "--always", "--format=%H%x00%ce%x00%P", echo="{}\n".format, env=self._env,
        )
        missing, env = "{} missing\n".format, self._env
        self._blobs = Batch(self.path, "cat-file", "--batch", echo=missing, env=env)
        self._sizes = Batch(self.path, "cat-file", "--batch-check", echo=missing, env=env)

    def renew(self) -> None:
        """End the kept processes; new ones start on demand. The old ones hold replaced packs."""
        for each in (self._commits, self._blobs, self._sizes):
            if each is not None:
                each.close()

    def close(self) -> None:
        """End the kept processes."""
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
        """Make a view with more variables: a push's quarantined objects, or keys for signatures."""
        return type(self)(self.path, {**self._env, **env})

    def run(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run one git command and return its output. GitFailed carries git's words."""
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
        """Make the error for a failed command, with a remedy where one is known.

        Removes files that the command left behind.
        """
        for name in stderr.left_behind(said):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        if (found := stderr.of_disk(self.path, arguments[0], said)) is not None:
            return found
        lost = stderr.is_told(said) or (stderr.NOT_THERE in said and any(
            len(each) == len(NO_OBJECT) and not self._has(f"{each}^{{tree}}") for each in arguments
        ))
        plain = stderr.failure(arguments, said)
        return self.damaged(plain) if lost else plain

    def _has(self, name: str) -> bool:
        """Say whether an object exists and can be read."""
        with contextlib.suppress(GitFailed):
            self.pipe("cat-file", "-e", "--end-of-options", name)
            return True
        return False

    def damaged(self, fact: object) -> GitFailed:
        """Make the error for a missing or unreadable object."""
        return stderr.of_objects(self.path, fact)

    def resolve(self, revision: str) -> str | None:
        """Find the commit of a ref or an abbreviated id; None if there is none."""
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

    def changes(self, before: str, after: str) -> list[FileChange]:
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

    def _compared(self, before: str, after: str) -> list[FileChange]:
        """Compare two commits file by file: a malformed tree ends git's own comparison.

        `receive.fsckObjects` keeps out new ones, but an old one may exist.
        """
        one, other = self.tree(before), self.tree(after)
        return [FileChange(path, one.get(path), other.get(path))
                for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]

    def steps(self, pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
        """List the files that differ between pairs of commits, by each pair's second commit."""
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
        """Read a commit with its changes; None where the kept process cannot tell them."""
        if self._commits is None:
            return None
        out = self._commits.ask(commit)
        if not out:
            raise self.damaged(f"commit {commit} cannot be read")
        found, email, parents, *fields = out.split(b"\0")
        changes, others = raw_changes(fields), tuple(parents.decode().split())
        if len(others) > 1 and out.count(found + b"\0" + email) != len(others):
            return None  # diff-tree leaves out a parent that the merge equals
        return Commit(found.decode(), email.decode(errors="replace"), others, changes)

    def blob_ids(self, names: Iterable[str]) -> list[str | None]:
        """Find blobs by `COMMIT:PATH`, in order; None for a missing one."""
        return [name if kind == "blob" else None for kind, name in self._named(names)]

    def kinds(self, commit: str, paths: Iterable[str]) -> dict[str, str]:
        """Tell the types of a commit's paths, `blob` or `tree`; leaves out missing paths."""
        wanted = [path for path in paths if "\n" not in path]
        found = self._named(f"{commit}:{path}" for path in wanted)
        return {path: kind for path, (kind, _) in zip(wanted, found, strict=True)
                if kind in ("blob", "tree")}

    def _named(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Find objects by name, in order: type and id; two empty texts for a missing one."""
        # names come from people: a line break in one must not shift the answers
        stdin = "".join(f"{each.replace(chr(10), '?')}\n" for each in names)
        out = self.pipe(
            "cat-file", "--batch-check=%(objecttype) %(objectname)", "--buffer",
            stdin=stdin.encode("utf-8", "surrogateescape"),
        )
        # for a missing object git repeats the name, which may contain spaces
        words = [line.split(b" ") for line in out.split(b"\n")[:-1]]
        return [(each[0].decode(), each[1].decode())
                if len(each) == 2 and each[0] in _TYPES else ("", "") for each in words]

    def blobs(self, ids: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Read blobs through one `cat-file --batch`.

        A blob of more than `most` bytes is not read: the result has `most + 1` zeros instead. A
        push of a few KB may contain a blob of many GB.
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
        out = self._ask(wanted, content=True)
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

    def _ask(self, ids: list[str], *, content: bool) -> bytes:
        """Ask cat-file: the one that runs for a few objects, one of its own for many."""
        running = self._blobs if content else self._sizes
        if running is not None and len(ids) <= _FEW:
            return running.ask(*ids)
        stdin = "".join(f"{each}\n" for each in ids).encode()
        return self.pipe(
            "cat-file", "--batch" if content else "--batch-check", "--buffer", stdin=stdin
        )

    def _in_quarantine(self, ids: list[str], most: int) -> dict[str, bytes]:
        folder = self._env.get(QUARANTINE)
        if folder is None or len(ids) > _FEW:
            return {}
        found = {each: loose_objects.blob(self.path / folder, each, most) for each in ids}
        return {each: content for each, content in found.items() if content is not None}

    def kind(self, name: str) -> str:
        """Tell an object's type: `commit`, `tag`, `tree` or `blob`; empty where there is none."""
        if self._sizes is None:
            return self._named([name])[0][0]
        words = self._sizes.ask(name).decode().split()
        return words[1] if len(words) == 3 else ""

    def sizes(self, ids: list[str]) -> dict[str, int]:
        """Tell the sizes of blobs in bytes; leaves out unreadable ones."""
        if not ids:
            return {}
        out = self._ask(ids, content=False)
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

        Moves no branch (`move_ref` does). Returns the new commit's id.
        """
        ref = f"{IMPORTS}/{uuid.uuid4().hex}"
        stream = import_stream(ref, parents, files, message, author, committer)
        out = self.pipe("fast-import", "--quiet", "--force", "--date-format=raw", "--done",
                        stdin=stream)
        failpoints.point("git.imported")
        return out.decode().strip()

    def move_ref(
        self, ref: str, new: str, old: str, *also: str, verify: Mapping[str, str] | None = None
    ) -> None:
        """Move a ref from `old` (NO_OBJECT: it must not exist) to `new`, or raise RaceLost.

        In the same transaction, refs in `also` move to `new` from any value, and each ref in
        `verify` must have the value given there.
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
