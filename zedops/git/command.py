"""Runs one git command in one repository, and makes errors of its failures. Knows no objects."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from zedops.errors import GitFailed
from zedops.git import stderr
from zedops.git.objects import NO_OBJECT


def clean_environment() -> None:
    """Remove inherited `GIT_*` variables: in a hook they name another repository (githooks(5))."""
    for key in [key for key in os.environ if key.startswith("GIT_") and key not in _HARMLESS]:
        del os.environ[key]


_HARMLESS = frozenset({
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT",
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_TRACE", "GIT_EXEC_PATH",
})  # fmt: skip


class GitCommand:
    """Git in one directory, with the variables of `env`."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path, self.env = path, env

    def run(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run one git command and return its output. GitFailed carries git's words."""
        out = self.pipe(*arguments, stdin=stdin or b"")
        return out.decode("utf-8", "surrogateescape").removesuffix("\n")

    def pipe(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Feed a batch command and return its output as bytes."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", **self.env},
            check=False,
        )
        if done.returncode:
            raise self._trouble(arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    def _trouble(self, arguments: tuple[str, ...], said: str) -> GitFailed:
        """Make the error for a failed command, with a remedy where one is known.

        Removes files that the command left behind.
        """
        for name in stderr.left_behind(said):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        if (found := stderr.of_disk(self.path, arguments[0], said)) is not None:
            return found
        lost = stderr.is_told(said) or (stderr.NOT_THERE in said and any(
            len(each) == len(NO_OBJECT) and not self._has(f"{each}^{{tree}}") for each in arguments
        ))
        plain = stderr.failure(arguments, said)
        return self.damaged(plain) if lost else plain

    def _has(self, name: str) -> bool:
        """Say whether an object exists and can be read."""
        with contextlib.suppress(GitFailed):
            self.pipe("cat-file", "-e", "--end-of-options", name)
            return True
        return False

    def damaged(self, fact: object) -> GitFailed:
        """Make the error for a missing or unreadable object."""
        return stderr.of_objects(self.path, fact)
