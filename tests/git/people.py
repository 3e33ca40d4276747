"""A person with a clone: files, commits, pushes, and what git said. For tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

from zedops.clone.clone import Clone
from zedops.hub.hub import Hub


class Person:
    """Somebody who works in a clone of a hub with plain git."""

    def __init__(self, hub: Hub, folder: Path, name: str) -> None:
        self.folder = folder
        self.clone = (
            Clone.begin(hub, folder) if hub.head() is None else Clone.make(str(hub.path), folder)
        )
        self.git("config", "user.name", name)
        self.git("config", "user.email", f"{name.lower()}@example.org")

    def git(self, *arguments: str, fails: bool = False) -> str:
        """Run git in the clone; returns what it said on both streams."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, (arguments, done.stdout)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file of the working copy."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())

    def read(self, path: str) -> str:
        """Read a file of the working copy."""
        return (self.folder / path).read_bytes().decode()

    def commit(self, files: dict[str, str | None], message: str = "edit") -> str:
        """Write (or, with None, remove) files and commit all of it."""
        for path, text in files.items():
            if text is None:
                (self.folder / path).unlink()
            else:
                self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def begin(self, files: dict[str, str | None]) -> None:
        """Push a fleet's first commit, and know where main is."""
        self.commit(files, "begin")
        self.push()
        self.git("fetch", "-q")

    def push(self, *arguments: str, fails: bool = False) -> str:
        """Push as configured, or with arguments."""
        return self.git("push", *arguments, fails=fails)
