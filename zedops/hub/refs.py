"""The hub's refs: main, what the manager has processed of it, and the epoch that fences it.

`refs/heads/main` is the fleet. `refs/zedops/seen` is the newest commit that the manager has
processed. The difference between the two is work to do, also after a crash. Both move in one
transaction when the manager commits. This module moves refs and reads no file of a fleet.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from zedops.errors import ZedopsError
from zedops.fleet.trailers import EMAIL
from zedops.git.objects import NO_OBJECT, Signature
from zedops.git.repository import IMPORTS, Repository
from zedops.system import failpoints, files

MAIN = "refs/heads/main"
SEEN = "refs/zedops/seen"
#: The leading manager: a blob with its number. Each commit of a manager verifies it.
EPOCH = "refs/zedops/epoch"
#: People push here. The hub merges it into main, so it refuses no push for being behind.
FOR_MAIN = "refs/for/main"


class HubRefs:
    """The refs of one hub, for a manager that leads and for others that only read."""

    def __init__(self, path: Path, repository: Repository, runtime: Path) -> None:
        self._path, self._repository, self._runtime = path, repository, runtime
        self._epoch = ""

    def head(self) -> str | None:
        """Return main's newest commit; None in an empty hub."""
        return self.read(MAIN)

    def names(self) -> set[str]:
        """List the full names of all refs."""
        return set(self._repository.run("for-each-ref", "--format=%(refname)").split("\n"))

    def read(self, name: str) -> str | None:
        """Read a ref; None without one. A loose ref is one file, so this is cheap."""
        try:
            text = files.read(self._path / name).decode("ascii").strip()
        except (OSError, ValueError):
            text = ""
        if len(text) == len(NO_OBJECT):
            return text
        found = self._repository.run(
            "for-each-ref", "--format=%(objectname)", "--end-of-options", name
        )
        return found or None

    def commit(self, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
        """Commit state onto main; RaceLost if main left `parent` or another manager leads."""
        signature = self.signature()
        new = self._repository.write_commit([parent], files, message, signature, signature)
        failpoints.point("hub.written")
        fence = {EPOCH: self._epoch} if self._epoch else {}
        self._repository.move_ref(MAIN, new, parent, SEEN, verify=fence)
        failpoints.point("hub.moved")
        return new

    def see(self, commit: str) -> None:
        """Move `seen` to a commit that needs no state commit; RaceLost if another manager leads."""
        lines = ["start", f"update {SEEN} {commit}"]
        lines += [f"verify {EPOCH} {self._epoch}"] if self._epoch else []
        stdin = "".join(f"{line}\n" for line in [*lines, "prepare", "commit"])
        self._repository.pipe("update-ref", "--stdin", stdin=stdin.encode())
        failpoints.point("hub.seen")

    def seen(self) -> str | None:
        """Return the newest commit that the manager has processed."""
        return self._repository.resolve(SEEN)

    def signature(self) -> Signature:
        """Sign as zedops, now."""
        return Signature("zedops", EMAIL, int(time.time()))

    def begin_epoch(self) -> int:
        """Begin a manager's epoch: from now on every commit of another manager fails."""
        before = self.read(EPOCH)
        held = self._repository.objects.blobs([before])[before] if before else self._old_epoch()
        # the number must grow even if the hub was restored from an old backup
        epoch = max(int(held or 0) + 1, int(time.time()))
        blob = self._repository.run("hash-object", "-w", "--stdin", stdin=f"{epoch}\n".encode())
        self._repository.move_ref(EPOCH, blob, before or NO_OBJECT)
        failpoints.point("hub.epoch")
        self._epoch = blob
        return epoch

    def is_current_epoch(self) -> bool:
        """Say whether no other manager has begun since `begin_epoch`."""
        return self._epoch == self.read(EPOCH)

    def _old_epoch(self) -> bytes:
        """Read the epoch where releases before 0.2 kept it."""
        path = self._runtime / "epoch"
        try:
            return files.read(path).strip()
        except FileNotFoundError:
            return b""
        except OSError as error:
            fact = f"cannot read {path}: {error.strerror}"
            raise ZedopsError(f"{fact}; move it away: releases before 0.2 kept it") from error

    def clear_stale_lock(self, patience_s: float = 0.0) -> None:
        """Remove locks and unfinished imports of a killed git. Only for the leading manager.

        `patience_s` is the time that a running git gets to release its lock.
        """
        locks = [self._path / f"{each}.lock" for each in (MAIN, EPOCH, SEEN)]
        deadline = time.monotonic() + patience_s
        while any(each.exists() for each in locks) and time.monotonic() < deadline:
            time.sleep(0.05)
        for lock in locks:
            lock.unlink(missing_ok=True)
        left = self._repository.run("for-each-ref", "--format=delete %(refname)", IMPORTS)
        if left:
            self._repository.pipe("update-ref", "--stdin", stdin=f"{left}\n".encode())
