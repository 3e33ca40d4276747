"""The upstream: another git remote where a fleet lives, reached by git itself.

Lists branches, fetches and pushes, each with a deadline, because a remote may hang. Never forces a
push: if main has moved there, `push` raises RaceLost, and the caller fetches again. Handles
branches and commits, not their meaning, and keeps secrets out of messages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from zedops.errors import GitFailed, UsageError
from zedops.git import credentials
from zedops.git.repository import Repository
from zedops.git.stderr import failure

#: The last fetched commit, by branch; `TAKEN` is the last one that main contains.
_FETCHED = "refs/zedops/fetched/"
TAKEN = "refs/zedops/upstream/"
TIMEOUT_S = 60.0


@dataclass
class Upstream:
    """One remote. `stop`, called from another thread, ends the running git command."""

    repository: Repository
    url: str
    #: A file with a token, for https; see `credentials`.
    secret_file: Path | None = None
    timeout_s: float = TIMEOUT_S
    _process: subprocess.Popen[bytes] | None = None
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def where(self) -> str:
        """Name the remote for messages."""
        return credentials.redact(self.url)

    def secret(self) -> credentials.GitLogin | None:
        """Read the token from its file each time: the owner may have replaced it."""
        if self.secret_file is None or urlsplit(self.url).scheme not in ("http", "https"):
            return None
        return credentials.read_secret(self.secret_file, self.url)

    def tips(self, branches: Iterable[str]) -> dict[str, str]:
        """Find the newest commits of branches; leaves out branches that do not exist."""
        wanted = [f"refs/heads/{branch}" for branch in branches]
        lines = self._git("ls-remote", "--refs", "--", self.url, *wanted).splitlines()
        pairs = [line.split("\t", 1) for line in lines if "\t" in line]
        return {ref.removeprefix("refs/heads/"): commit for commit, ref in pairs if ref in wanted}

    def fetch(self, branch: str) -> str:
        """Fetch a branch; return its newest commit."""
        ref = _FETCHED + branch
        self._git(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            "--", self.url, f"+refs/heads/{branch}:{ref}",
        )  # fmt: skip
        commit = self.repository.resolve(ref)
        if commit is None:
            raise GitFailed(f"upstream {self.where}: {branch} was fetched and is not here")
        return commit

    def push(self, commit: str, branch: str) -> None:
        """Push a commit to a branch. RaceLost if that is no fast-forward."""
        self._git("push", "--quiet", "--", self.url, f"{commit}:refs/heads/{branch}")

    def cancel(self) -> None:
        """End the running git command, and start no other."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                _kill(self._process)

    def _git(self, *arguments: str) -> str:
        process = self._begin(arguments)
        try:
            out, said = process.communicate(timeout=self.timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            process.communicate()
            fact = f"no answer within {self.timeout_s:.0f} s"
            raise GitFailed(f"upstream {self.where}: git {arguments[0]}: {fact}") from error
        finally:
            with self._lock:
                self._process = None
        if process.returncode:
            words = failure(arguments, credentials.redact(said.decode(errors="replace")))
            raise type(words)(f"upstream {self.where}: {words}")
        return out.decode()

    def _begin(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        env: Mapping[str, str] = {}
        if secret := self.secret():
            env = credentials.environment(secret, self.url)
        with self._lock:
            if self._stopped:
                raise GitFailed(f"upstream {self.where}: zedops is ending")
            self._process = subprocess.Popen(
                ["git", *arguments],
                cwd=self.repository.path,
                env={**os.environ, **env, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
                # in its own session ssh finds no terminal for questions, and `_kill` ends all
                # processes together
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            return self._process


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def checked_url(url: str) -> str:
    """Check a URL and make paths absolute. UsageError for a bad one or one with a password."""
    if urlsplit(url).password:
        remedy = "put the token into a file of mode 0600 and name that with --credentials"
        raise UsageError(f"{credentials.redact(url)}: leave the password out; {remedy}")
    if not url or url.startswith("-") or not url.isprintable():
        remedy = "write e.g. git@github.com:me/fleet.git"
        raise UsageError(f"{url!r} is no URL of a git remote; {remedy}")
    path = Path(url.removeprefix("file://"))
    return str(path.resolve()) if path.is_dir() else url
