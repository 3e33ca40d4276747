"""A git repository, bare or not: reads by pipe, commits by fast-import, refs by compare-and-swap.

Everything goes through git's own commands, the hot paths through its batch ones: `cat-file --batch`
(42 ms for 10,000 blobs), `diff-tree`, `fast-import`. A library instead would add 115 ms to each
command's start (GitPython) or push past the hub's hooks (pygit2, dulwich). Knows nothing of fleets.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from zedops.errors import GitFailed
from zedops.git.command import GitCommand
from zedops.git.objects import Entry, FileChange, Signature, import_stream, raw_changes
from zedops.git.reader import ObjectReader
from zedops.system import failpoints

#: Refs of new commits that no branch names yet.
IMPORTS = "refs/zedops/import"


class Repository:
    """One repository on disk; `objects` reads it. Safe to use from several threads."""

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._git = GitCommand(path, dict(env or {}))
        self.objects = ObjectReader(self._git)

    @classmethod
    def init(cls, path: Path, *, bare: bool) -> Repository:
        """Make a repository whose branch is main."""
        path.mkdir(parents=True, exist_ok=True)
        made = cls(path)
        made.run("init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
        return made

    def with_env(self, env: Mapping[str, str]) -> Repository:
        """Make a view with more variables: a push's quarantined objects, or keys for signatures."""
        return type(self)(self.path, {**self._git.env, **env})

    def run(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run one git command and return its output. GitFailed carries git's words."""
        return self._git.run(*arguments, stdin=stdin)

    def pipe(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Feed a batch command and return its output as bytes."""
        return self._git.pipe(*arguments, stdin=stdin)

    def damaged(self, fact: object) -> GitFailed:
        """Make the error for a missing or unreadable object."""
        return self._git.damaged(fact)

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
            step = self.objects.commit(after)
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
