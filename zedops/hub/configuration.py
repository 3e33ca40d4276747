"""The hub's git configuration: the settings that each hub has, and the few facts kept in it.

Reads no user's configuration, and decides nothing about pushes.
"""

from __future__ import annotations

from pathlib import Path

from zedops.errors import GitFailed
from zedops.git.repository import Repository

#: The key under which git, too, looks for the URL of a remote called `upstream`.
UPSTREAM = "remote.upstream.url"

CONFIG = {
    "core.fsync": "all",
    "receive.procReceiveRefs": "refs/for",
    "receive.advertisePushOptions": "true",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.autogc": "false",
    "gc.auto": "0",
    "core.useReplaceRefs": "false",
    # a user's configuration must not disable the hooks; relative to the hub (git-config(1))
    "core.hooksPath": "hooks",
    # after an entry like `evil/x` in a tree git's own commands fail
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "fetch.fsckObjects": "true",
    "receive.maxInputSize": "512m",
    # a user's configuration must not change the output of `git log`, which the hub parses
    "log.showSignature": "false",
    "log.showRoot": "true",
    "zedops.hub": "true",
}


class HubConfiguration:
    """The configuration of one hub."""

    def __init__(self, path: Path, repository: Repository) -> None:
        self._path, self._repository = path, repository
        self._recalled: tuple[object, dict[str, str | None]] = (None, {})

    def settle(self) -> None:
        """Set every key of `CONFIG` that differs."""
        for key in self.unset():
            self._repository.run("config", "--replace-all", "--end-of-options", key, CONFIG[key])

    def held(self) -> dict[str, str]:
        """Read the hub's own configuration, without any user's: lower-case key to value."""
        out = self._repository.run("config", "--file", "config", "--null", "--list")
        pairs = (each.partition("\n") for each in out.split("\0") if each)
        return {key.lower(): value for key, _, value in pairs}

    def unset(self) -> list[str]:
        """Name the settings that differ from `CONFIG`."""
        held = self.held()
        return [key for key, value in CONFIG.items() if held.get(key.lower()) != value]

    def remember(self, key: str, value: str) -> None:
        """Store one value in the hub's configuration."""
        if self.recall(key) != value:
            self._repository.run("config", "--end-of-options", key, value)

    def recall(self, key: str) -> str | None:
        """Read a value of the hub's configuration; from memory while its file is unchanged."""
        file = (self._path / "config").stat()
        stamp = (file.st_ino, file.st_mtime_ns, file.st_size)
        if self._recalled[0] != stamp:
            self._recalled = (stamp, {})
        values = self._recalled[1]
        if key not in values:
            try:
                values[key] = self._repository.run("config", "--get", "--end-of-options", key)
            except GitFailed:
                values[key] = None
        return values[key]
