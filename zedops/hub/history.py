"""The commits of a hub: their authors, the definitions without an answer, the allowed deletions.

Reads only, and knows neither hosts nor the manager.
"""

from __future__ import annotations

from collections.abc import Iterable

from zedops.errors import GitFailed
from zedops.fleet.deletions import TRAILER
from zedops.fleet.trailers import EMAIL
from zedops.git.repository import Repository
from zedops.spec.document import Document, parse
from zedops.spec.state_block import split

#: The arguments of `is_own`, for git's --format; separated by \x02.
_WHOSE = "%ce%x02%ae%x02%(trailers:key=Zedops-Server,valueonly,separator=%x2C)"


def is_own(committer: str, author: str, trailers: str) -> bool:
    """Tell zedops' own commits from people's, also after a person rebased them."""
    return committer == EMAIL or (author == EMAIL and bool(trailers))


class HubHistory:
    """The history of one hub. Safe to use from several threads."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._short = 0  # length of git's short ids in this hub

    def authors(self, before: str, after: str) -> dict[str, str]:
        """Find for each path between two commits the newest commit by a person (short id)."""
        if (found := self._newest_author(before, after)) is not None:
            return found
        out = self._repository.pipe(
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

    def _newest_author(self, before: str, after: str) -> dict[str, str] | None:
        """Find the authors if one commit was pushed or merged; None if there are more."""
        try:
            pushed = tip = self._repository.objects.commit(after)
            if tip is not None and len(tip.parents) == 2:
                pushed = self._repository.objects.commit(tip.parents[1])
        except GitFailed:  # an old malformed tree: `authors` reads each commit by itself
            return None
        if tip is None or pushed is None or tip.parents[:1] != (before,) or len(pushed.parents) > 1:
            return None
        paths = {change.path for change in pushed.changes}
        if not paths.issuperset(change.path for change in tip.changes):
            return None
        if not self._short:
            self._short = len(
                self._repository.run("rev-parse", "--short", "--end-of-options", after)
            )
        return {} if pushed.email == EMAIL else dict.fromkeys(paths, pushed.id[: self._short])

    def unanswered(self, commit: str, servers: Iterable[Document]) -> dict[str, str]:
        """Find the definitions that are newer than the applied ones in their states.

        Returns for each path the commit that asks for it (short id). `seen` is not enough: a state
        commit about another server moves it, too.
        """
        applied = [(e, e.state.commit) for e in servers if e.state and e.state.commit]
        names = [f"{at}:{each.path}" for each, at in applied]
        ids = self._repository.objects.blob_ids(names)
        texts = self._repository.objects.blobs(each for each in ids if each)
        found = {}
        for (each, at), blob in zip(applied, ids, strict=True):
            if blob is None or _is_same(texts[blob], each):
                continue
            if asked := self.authors(at, commit).get(each.path):
                found[each.path] = asked
        return found

    def confirmed_deletions(self, before: str, after: str) -> tuple[str, ...]:
        """Read confirmed deletions from commit messages, in the form of push options."""
        out = self._repository.run(
            "log", f"--format=%(trailers:key={TRAILER},valueonly,separator=%x2C)",
            "--end-of-options", f"{before}..{after}",
        )
        return tuple(f"allow-delete={line}" for line in out.splitlines() if line)


def merge_base(repository: Repository, one: str, other: str) -> str | None:
    """Find the best common ancestor of two commits: mostly one is the other's parent."""
    try:
        step = repository.objects.commit(other)
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
