"""Reads objects of a repository: commits with their changes, blobs, types, sizes. Writes nothing.

Between `keep_open` and `close` a few objects at a time go through git processes that stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from zedops.git import loose_objects
from zedops.git.batch import Batch
from zedops.git.command import GitCommand
from zedops.git.objects import Commit, raw_changes

#: Names the directory of a push's objects until git accepts it (git-receive-pack(1)).
QUARANTINE = "GIT_OBJECT_DIRECTORY"
_TYPES = (b"blob", b"tree", b"commit", b"tag")
#: At most this many blobs go through a running process; more get a process of their own.
_FEW = 20


class ObjectReader:
    """The objects of one repository. Safe to use from several threads."""

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._commits: Batch | None = None
        self._blobs: Batch | None = None
        self._sizes: Batch | None = None

    def keep_open(self) -> None:
        """Start git processes that answer short queries until `close`."""
        self._commits = Batch(
            self._git.path, "diff-tree", "--stdin", "-r", "-z", "-m", "--raw", "--no-renames",
            "--always", "--format=%H%x00%ce%x00%P", echo="{}\n".format, env=self._git.env,
        )
        missing, env = "{} missing\n".format, self._git.env
        self._blobs = Batch(self._git.path, "cat-file", "--batch", echo=missing, env=env)
        self._sizes = Batch(self._git.path, "cat-file", "--batch-check", echo=missing, env=env)

    def renew(self) -> None:
        """End the kept processes; new ones start on demand. The old ones hold replaced packs."""
        for each in (self._commits, self._blobs, self._sizes):
            if each is not None:
                each.close()

    def close(self) -> None:
        """End the kept processes."""
        self.renew()
        self._commits = self._blobs = self._sizes = None

    def commit(self, commit: str) -> Commit | None:
        """Read a commit with its changes; None where the kept process cannot tell them."""
        if self._commits is None:
            return None
        out = self._commits.ask(commit)
        if not out:
            raise self._git.damaged(f"commit {commit} cannot be read")
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

    def kind(self, name: str) -> str:
        """Tell an object's type: `commit`, `tag`, `tree` or `blob`; empty where there is none."""
        if self._sizes is None:
            return self._named([name])[0][0]
        words = self._sizes.ask(name).decode().split()
        return words[1] if len(words) == 3 else ""

    def _named(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Find objects by name, in order: type and id; two empty texts for a missing one."""
        # names come from people: a line break in one must not shift the answers
        stdin = "".join(f"{each.replace(chr(10), '?')}\n" for each in names)
        out = self._git.pipe(
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
                raise self._git.damaged(f"object {each} cannot be read")
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
        return self._git.pipe(
            "cat-file", "--batch" if content else "--batch-check", "--buffer", stdin=stdin
        )

    def _in_quarantine(self, ids: list[str], most: int) -> dict[str, bytes]:
        folder = self._git.env.get(QUARANTINE)
        if folder is None or len(ids) > _FEW:
            return {}
        found = {each: loose_objects.blob(self._git.path / folder, each, most) for each in ids}
        return {each: content for each, content in found.items() if content is not None}

    def sizes(self, ids: list[str]) -> dict[str, int]:
        """Tell the sizes of blobs in bytes; leaves out unreadable ones."""
        if not ids:
            return {}
        out = self._ask(ids, content=False)
        said = (line.split() for line in out.decode().splitlines())
        return {words[0]: int(words[2]) for words in said if len(words) == 3}
