"""The program restic: finds it, knows its version, and runs it. The only module that does.

Every exit code but 0 is a failure, also 3: a partial snapshot. restic gets no variable of the agent
but those that `environment` names. Long work runs at low priority. What `run` starts ends with its
process, in every case.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import IO

from zedops.errors import ZedopsError
from zedops.spec.state_block import brief

#: The oldest release that is tested: Debian 12 has it.
OLDEST = (0, 14)
#: The time between two looks at a stop.
_LOOK_S = 0.2
_PR_SET_PDEATHSIG = 1
_VERSION = re.compile(r"restic (\d+)\.(\d+)")
#: Exit codes of restic (https://restic.readthedocs.io, "Scripting"), from 0.17 on.
_PARTIAL, _ABSENT, _LOCKED, _PASSWORD = 3, 10, 11, 12
_ADDRESS = "RESTIC_REPOSITORY"


class ResticFailed(ZedopsError):
    """restic failed; the message carries its own words, and the remedy if it is known."""


class Absent(ResticFailed):
    """There is no repository at the address, as far as restic can see."""


class Locked(ResticFailed):
    """Another process has locked the repository."""


class Broken(ResticFailed):
    """A person or the agent ended restic before it was done."""


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


def environment(address: str, cached: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """Make the environment that opens a repository with its password and credentials."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR")
            if key in os.environ}
    return {
        "HOME": "/root", **kept, **secrets, _ADDRESS: address,
        "RESTIC_CACHE_DIR": str(cached), "RESTIC_PROGRESS_FPS": "1",
    }


def run(
    words: Sequence[str], env: Mapping[str, str], ends: Callable[[], str | None],
    limit_s: float | None,
) -> Iterator[str]:
    """Run a command and give its lines. Without a limit it is long work.

    Broken if `ends` says why, or if the time is over; ResticFailed if restic fails.
    """
    gently = _gently() if limit_s is None else []
    process = subprocess.Popen(
        [*gently, program(), *words], env=env, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call
    )
    watch = _Watch(process, ends, limit_s)
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield from process.stdout
        process.wait()
    finally:
        watch.end()
    if watch.why:
        raise Broken(watch.why)
    if process.returncode:
        raise _failure(words[0], process.returncode, watch.said, env[_ADDRESS])


def run_into(words: Sequence[str], env: Mapping[str, str], to: IO[bytes]) -> None:
    """Run a command and write its output to a file. ResticFailed if restic fails."""
    done = subprocess.run(
        [program(), *words], env=env, cwd="/",
        stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.PIPE, check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")
        raise _failure(words[0], done.returncode, said, env[_ADDRESS])


def _gently() -> list[str]:
    """Run after all other work on the machine (ionice(1): idle)."""
    ionice = shutil.which("ionice")
    nice = shutil.which("nice")
    return [*([nice, "-n", "5"] if nice else []), *([ionice, "-c", "3"] if ionice else [])]


_prctl = ctypes.CDLL(None).prctl
#: Runs between fork and exec: the kernel ends restic with the thread that waits for it (prctl(2)).
_die_with_parent = partial(_prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)


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
