"""Repacks a hub's objects with git's own commands, beside pushes and without delaying them.

Every commit adds loose files (a blob, its trees, the commit); 10,000 of them are slow to search and
take fifty times the space. This module never deletes an object, reachable or not: a push under way
and a commit that no branch names yet keep theirs. Sources: git-repack(1) on `--geometric`,
git-commit-graph(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from zedops.git.stderr import failure

#: Above this number of loose files, or of packs, a repack is due.
LOOSE, PACKS = 3000, 30
#: The folders whose files `look` counts: object ids spread evenly over 256 folders.
_SAMPLE = ("00", "3f", "7f", "bf")
#: A file kept in each folder of objects: git removes an empty folder, even while a push is about to
#: write into it. `fsck` and `prune-packed` ignore a file with this name.
_HOLDER = "tmp_obj_zedops_holds_this_folder"
#: One thread and little memory: pushes and game servers need the machine more.
_MODEST = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "-c", "core.preloadIndex=false")
_STEPS = (
    ("repack", "--geometric=2", "-d", "-l", "-q", "-n"),
    ("commit-graph", "write", "--reachable", "--split", "--no-progress"),
)


@dataclass(frozen=True)
class ObjectCounts:
    """Number of loose files (an estimate) and packs in a repository."""

    loose: int
    packs: int

    @property
    def is_due(self) -> bool:
        """Say whether a repack is due."""
        return self.loose > LOOSE or self.packs > PACKS


def look(path: Path) -> ObjectCounts:
    """Count a bare repository's loose files and packs; lists only five directories."""
    objects = path / "objects"
    files = sum(1 for each in _SAMPLE for one in (objects / each).glob("*") if one.name != _HOLDER)
    packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
    return ObjectCounts(files * (256 // len(_SAMPLE)), packs)


class Packer:
    """Repacks one repository, one run at a time; `stop` ends a run under way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def pack(self) -> bool:
        """Repack; return False if `stop` ended it. GitFailed carries git's words."""
        for number in range(256):
            folder = self._path / "objects" / f"{number:02x}"
            folder.mkdir(exist_ok=True)
            (folder / _HOLDER).touch()
        return all(self._run(each) for each in _STEPS)

    def cancel(self) -> None:
        """End the running git command and start no other; the repository stays consistent."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate()

    def _run(self, arguments: tuple[str, ...]) -> bool:
        politely = ["nice", "-n", "19"] if shutil.which("nice") else []
        with self._lock:
            if self._stopping:
                return False
            self._process = process = subprocess.Popen(
                [*politely, "git", *_MODEST, *arguments], cwd=self._path,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        with process:
            said = process.stderr.read() if process.stderr else b""
        with self._lock:
            self._process = None
            if self._stopping:
                return False
        if process.returncode:
            raise failure(arguments, said.decode(errors="replace"))
        return True


