"""Keeps a hub's objects few: git's own repacking, beside pushes and never in their way.

Every commit leaves some files of its own (a blob, its trees, the commit); 10,000 of them are slow
to look through and take fifty times the room. Nothing is ever thrown away here, reachable or not:
so no push that is on its way, no commit that no branch knows yet can lose an object. Sources:
git-repack(1) on `--geometric`, git-commit-graph(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from zedops.trouble import failure

#: With more files or packs than this it is time.
LOOSE, PACKS = 3000, 30
#: Folders of which the files are counted; object ids are spread evenly over 256.
_SAMPLE = ("00", "3f", "7f", "bf")
#: Kept in each folder of objects: git takes an empty one away, also from below a push that is just
#: about to write into it. Files named so are passed over by git (`fsck`, `prune-packed`).
_HOLDER = "tmp_obj_zedops_holds_this_folder"
#: One thread and little memory: people and servers come first.
_MODEST = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "-c", "core.preloadIndex=false")
_STEPS = (
    ("repack", "--geometric=2", "-d", "-l", "-q", "-n"),
    ("commit-graph", "write", "--reachable", "--split", "--no-progress"),
)


@dataclass(frozen=True)
class Standing:
    """How many files and packs a repository's objects are in; files are an estimate."""

    loose: int
    packs: int

    @property
    def is_due(self) -> bool:
        """Say whether it is time to repack."""
        return self.loose > LOOSE or self.packs > PACKS


def look(path: Path) -> Standing:
    """See how a bare repository's objects stand: five directories are listed."""
    objects = path / "objects"
    files = sum(1 for each in _SAMPLE for one in (objects / each).glob("*") if one.name != _HOLDER)
    packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
    return Standing(files * (256 // len(_SAMPLE)), packs)


class Packer:
    """Repacks one repository, one run at a time; `stop` ends a run that is under way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def pack(self) -> bool:
        """Repack; returns whether it was done to its end. GitFailed carries git's words."""
        for number in range(256):
            folder = self._path / "objects" / f"{number:02x}"
            folder.mkdir(exist_ok=True)
            (folder / _HOLDER).touch()
        return all(self._run(each) for each in _STEPS)

    def stop(self) -> None:
        """End what runs, and do nothing more; whatever git has done so far is whole."""
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


