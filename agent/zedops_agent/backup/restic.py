"""restic, and nothing else: the only module that runs it.

Each method is one command of restic, and decides nothing. Every exit code but 0 is a failure, also
3: a partial snapshot. A failed look raises and never means "no snapshots". restic gets no variable
of the agent but PATH and HOME. Long work runs at low priority; all of it ends with the agent. Each
call opens the repository with its key, which takes half a second of CPU: callers ask little.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from zedops.errors import ZedopsError
from zedops.spec.state_block import brief
from zedops_agent.backup.snapshot import Snapshot

#: The oldest release that is tested: Debian 12 has it.
OLDEST = (0, 14)
_SPARSE = (0, 15)
#: The time that a question to a repository may take, and the time between two looks at a stop.
_ASK_S, _LOOK_S = 300.0, 0.2
_PR_SET_PDEATHSIG = 1
_VERSION = re.compile(r"restic (\d+)\.(\d+)")
#: Exit codes of restic (https://restic.readthedocs.io, "Scripting"), from 0.17 on.
_PARTIAL, _ABSENT, _LOCKED, _PASSWORD = 3, 10, 11, 12


class ResticFailed(ZedopsError):
    """restic failed; the message carries its own words, and the remedy if it is known."""


class Absent(ResticFailed):
    """There is no repository at the address, as far as restic can see."""


class Locked(ResticFailed):
    """Another process has locked the repository."""


class Broken(ResticFailed):
    """A person or the agent ended restic before it was done."""


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

    def size(self, snapshot: str) -> tuple[int, int]:
        """Return bytes and files that a restore of a snapshot writes."""
        said = json.loads(self._ask("stats", "--json", "--mode", "restore-size", snapshot))
        return int(said["total_size"]), int(said["total_file_count"])

    def dump(self, snapshot: str, path: str) -> bytes:
        """Read one file of a snapshot."""
        return self._ask("dump", snapshot, path).encode()

    def archive(self, snapshot: str, to: IO[bytes]) -> None:
        """Write all files of a snapshot as a tar archive. ResticFailed if it is not whole."""
        done = subprocess.run(
            [program(), "dump", "--archive", "tar", snapshot, "/"], env=self._environment(),
            cwd="/", stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.PIPE, check=False,
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")
            raise _failure("dump", done.returncode, said, self.address)

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

    # --- the process

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
        gently = _gently() if limit_s is None else []
        process = subprocess.Popen(
            [*gently, program(), *words], env=self._environment(), cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call
        )
        watch = _Watch(process, self.ends, limit_s)
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            yield from process.stdout
            process.wait()
        finally:
            watch.end()
        if watch.why:
            raise Broken(watch.why)
        if process.returncode:
            raise _failure(words[0], process.returncode, watch.said, self.address)

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR")
                if key in os.environ}
        return {
            "HOME": "/root", **kept, **self.secrets, "RESTIC_REPOSITORY": self.address,
            "RESTIC_CACHE_DIR": str(self.cache), "RESTIC_PROGRESS_FPS": "1",
        }


class _Watch:
    """Reads a process's errors, and ends it where `ends` says so or its time is over."""

    def __init__(
        self, process: subprocess.Popen[str], ends: Callable[[], str | None], limit_s: float | None
    ) -> None:
        self.why = self.said = ""
        self._process, self._ends, self._limit_s = process, ends, limit_s
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._read, self._look)
        ]
        for each in self._threads:
            each.start()

    def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        for line in self._process.stderr:
            self.said = (self.said + line)[-8000:]

    def _look(self) -> None:
        waited_s = 0.0
        while not self._done.wait(_LOOK_S):
            waited_s += _LOOK_S
            late = self._limit_s is not None and waited_s > self._limit_s
            why = f"restic did not answer within {self._limit_s:.0f} s" if late else self._ends()
            if why is not None:
                self.why = why
                self._process.kill()
                return

    def end(self) -> None:
        self._done.set()
        if self._process.poll() is None:
            self._process.kill()
        for each in self._threads:
            each.join()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def program() -> str:
    """Find restic. ResticFailed says how to install it."""
    found = shutil.which("restic")
    if found is None:
        remedy = "install it there (on Debian: apt-get install restic), then ask again"
        raise ResticFailed(f"this host has no restic on its PATH, and backups need it; {remedy}")
    return found


@cache
def _version_of(path: str, _changed_ns: int) -> tuple[int, int]:
    said = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    match = _VERSION.match(said)
    if match is None:
        raise ResticFailed(f"{path} is no restic: it says {brief(said)!r}")
    return int(match[1]), int(match[2])


def version() -> tuple[int, int]:
    """Return restic's version. ResticFailed for one that is too old."""
    path = program()
    found = _version_of(path, Path(path).stat().st_mtime_ns)
    if found < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ResticFailed(f"{path} is older than {wanted}; install a newer restic")
    return found


def _gently() -> list[str]:
    """Run after all other work on the machine (ionice(1): idle)."""
    ionice = shutil.which("ionice")
    nice = shutil.which("nice")
    return [*([nice, "-n", "5"] if nice else []), *([ionice, "-c", "3"] if ionice else [])]


_prctl = ctypes.CDLL(None).prctl
#: Runs between fork and exec: the kernel ends restic with the thread that waits for it (prctl(2)).
_die_with_parent = partial(_prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)


def _snapshot(said: dict[str, Any]) -> Snapshot:
    summary = said.get("summary") or {}
    return Snapshot(
        str(said["id"]), datetime.fromisoformat(_cut(str(said["time"]))),
        tuple(said.get("tags") or ()), tuple(said.get("paths") or ()),
        summary.get("total_bytes_processed"), summary.get("total_files_processed"),
    )


def _cut(at: str) -> str:
    """Cut nanoseconds to microseconds, which is all that Python reads."""
    return re.sub(r"(\.\d{6})\d+", r"\1", at)


def escaped(path: str) -> str:
    """Escape a path that restic reads as a pattern (Go: path/filepath.Match)."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)


def _failure(command: str, code: int, said: str, address: str) -> ResticFailed:
    """Turn restic's end into an error. Before 0.17 only its words tell failures apart."""
    lines = [each.strip() for each in said.splitlines() if each.strip()]
    told = next((each for each in lines if each.startswith("Fatal: ")), lines[-1] if lines else "")
    text = brief(told.removeprefix("Fatal: ")) or f"exit code {code}"
    if code == _PASSWORD or "wrong password" in said:
        remedy = "put the password of that repository back on this host"
        return ResticFailed(f"repository {address}: wrong password; {remedy}")
    if code == _LOCKED or "already locked" in said:
        return Locked(f"repository {address} is locked by another process: {text}")
    if code == _ABSENT or "Is there a repository at" in said:
        return Absent(f"cannot open repository {address}: {text}")
    if code == _PARTIAL:
        return ResticFailed("some files could not be read, so the snapshot does not count")
    return ResticFailed(f"restic {command}: {text}")
