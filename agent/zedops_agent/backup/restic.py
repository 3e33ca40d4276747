"""The commands of restic and their answers.

Each method is one command, and decides nothing. A failed look raises and never means "no
snapshots". Each call opens the repository with its key, which takes half a second of CPU: callers
ask little. `restic_process` runs the program.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from zedops.spec.state_block import brief
from zedops_agent.backup import restic_process
from zedops_agent.backup.restic_process import Locked, ResticFailed, version
from zedops_agent.backup.snapshot import Snapshot

#: The first release that can restore files with holes as such.
_SPARSE = (0, 15)
#: The time that a question to a repository may take.
_ASK_S = 300.0


@dataclass(frozen=True)
class Made:
    """The result of a backup."""

    snapshot: str
    size_bytes: int
    files: int
    added_bytes: int


@dataclass(frozen=True)
class Restic:
    """One repository, opened with its password and credentials."""

    address: str
    cache: Path
    secrets: Mapping[str, str] = field(repr=False, default_factory=dict)
    #: Says why restic has to end before it is done; None: go on.
    ends: Callable[[], str | None] = lambda: None

    # --- looks

    def identity(self) -> str:
        """Return the repository's own id. Raises Absent, or ResticFailed."""
        said = json.loads(self._ask("cat", "config"))
        return str(said["id"])

    def snapshots(self, *tags: str) -> list[Snapshot]:
        """List the snapshots with all of some tags, the oldest first."""
        # restic joins tags with commas: all of them must be there
        wanted = ["--tag", ",".join(tags)] if tags else []
        found = json.loads(self._ask("snapshots", "--json", *wanted) or "[]") or []
        return sorted(map(_snapshot, found), key=lambda each: each.at)

    def surely_has(self, snapshots: Iterable[str]) -> bool:
        """Say whether all snapshots are there, without restic; False for a repository elsewhere.

        A repository in a directory has a file for each snapshot, which its id names.
        """
        if not self.address.startswith("/"):
            return False
        try:
            names = [each.name for each in (Path(self.address) / "snapshots").iterdir()]
        except OSError:
            return False
        return all(any(name.startswith(each) for name in names) for each in snapshots)

    def size(self, snapshot: str) -> tuple[int, int]:
        """Return bytes and files that a restore of a snapshot writes."""
        said = json.loads(self._ask("stats", "--json", "--mode", "restore-size", snapshot))
        return int(said["total_size"]), int(said["total_file_count"])

    def dump(self, snapshot: str, path: str) -> bytes:
        """Read one file of a snapshot."""
        return self._ask("dump", snapshot, path).encode()

    def differences(self, one: str, other: str) -> dict[str, str]:
        """Say by path how a snapshot differs from another one; directories end with a slash."""
        lines = self._ask("diff", "--json", "--metadata", one, other).splitlines()
        found = [json.loads(each) for each in lines]
        return {str(each["path"]): str(each["modifier"]) for each in found
                if each.get("message_type") == "change"}

    def nodes(self, snapshot: str, paths: Sequence[str]) -> list[dict[str, Any]]:
        """List some directories of a snapshot, and what is in them."""
        lines = self._ask("ls", "--json", snapshot, *paths).splitlines()
        found: list[dict[str, Any]] = [json.loads(each) for each in lines]
        return [each for each in found if each.get("struct_type") == "node"]

    def archive(self, snapshot: str, to: IO[bytes]) -> None:
        """Write all files of a snapshot as a tar archive. ResticFailed if it is not whole."""
        words = ("dump", "--archive", "tar", snapshot, "/")
        restic_process.run_into(words, self._environment(), to)

    # --- effects

    def init(self) -> None:
        """Make the repository; restic refuses if one is there."""
        self._ask("init")

    def backup(
        self, paths: Sequence[str], tags: Sequence[str], exclude: Iterable[str],
        parent: str | None, progress: Callable[[str], None],
    ) -> Made:
        """Make a snapshot of directories and files. A file that it cannot read fails it."""
        words = ["backup", "--json", "--host", "zedops", "--tag", ",".join(tags)]
        words += [f"--exclude={each}" for each in exclude]
        words += ["--parent", parent] if parent else []
        summary: dict[str, Any] = {}
        troubles: list[str] = []

        def hear(said: dict[str, Any]) -> None:
            match said.get("message_type"):
                case "status":
                    progress(f"backing up: {said.get('percent_done', 0) * 100:.0f} %")
                case "summary":
                    summary.update(said)
                case "error":
                    inner = said.get("error")
                    text = inner.get("message") if isinstance(inner, dict) else inner
                    troubles.append(f"{said.get('item', '')}: {text}")

        try:
            self._follow([*words, "--", *paths], hear)
        except ResticFailed as error:
            if troubles:
                raise type(error)(f"{error}; the first: {brief(troubles[0])}") from None
            raise
        return Made(
            str(summary["snapshot_id"])[:8], int(summary["total_bytes_processed"]),
            int(summary["total_files_processed"]), int(summary.get("data_added", 0)),
        )

    def restore(self, snapshot: str, target: Path, include: Sequence[str]) -> None:
        """Restore parts of a snapshot into an empty directory, and verify every file."""
        words = ["restore", snapshot, "--target", str(target), "--verify"]
        words += [word for each in include for word in ("--include", escaped(each))]
        if version() >= _SPARSE:
            words.append("--sparse")
        self._follow(words, lambda _: None)

    def forget(self, snapshots: Sequence[str], *, prune: bool) -> None:
        """Remove snapshots; with `prune` also the data that only they need."""
        self._follow(["forget", *(["--prune"] if prune else []), *snapshots], lambda _: None)

    def check(self, subset: str | None = None) -> None:
        """Check the repository's structure, and a part of its data, for example `5%`."""
        data = ["--read-data-subset", subset] if subset else []
        self._follow(["check", *data], lambda _: None)

    def unlock(self) -> None:
        """Remove locks of processes that are gone."""
        self._ask("unlock")

    # --- ways to run a command

    def _ask(self, *words: str) -> str:
        return "".join(self._run(words, _ASK_S))

    def _follow(self, words: Sequence[str], hear: Callable[[dict[str, Any]], None]) -> None:
        for line in self._run(words, None):
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    hear(said)

    def _run(self, words: Sequence[str], limit_s: float | None) -> Iterator[str]:
        """Run restic and give its lines; a stale lock is removed once."""
        try:
            yield from self._run_once(words, limit_s)
        except Locked:
            if words[0] == "unlock":
                raise
            self.unlock()
            yield from self._run_once(words, limit_s)

    def _run_once(self, words: Sequence[str], limit_s: float | None) -> Iterator[str]:
        return restic_process.run(words, self._environment(), self.ends, limit_s)

    def _environment(self) -> dict[str, str]:
        return restic_process.environment(self.address, self.cache, self.secrets)


def _snapshot(said: dict[str, Any]) -> Snapshot:
    summary = said.get("summary") or {}
    return Snapshot(
        str(said["id"]), read_time(str(said["time"])),
        tuple(said.get("tags") or ()), tuple(said.get("paths") or ()),
        summary.get("total_bytes_processed"), summary.get("total_files_processed"),
    )


def read_time(at: str) -> datetime:
    """Read a time as restic writes it; Python keeps microseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", at))


def escaped(path: str) -> str:
    """Escape a path that restic reads as a pattern (Go: path/filepath.Match)."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)
