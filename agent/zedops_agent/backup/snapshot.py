"""A snapshot of a world, as a repository lists it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Snapshot:
    """One snapshot, as the repository lists it."""

    id: str
    at: datetime
    tags: tuple[str, ...]
    paths: tuple[str, ...]
    size_bytes: int | None = None  #: None: a release before 0.17 made it
    files: int | None = None

    @property
    def short(self) -> str:
        """Name it as people do."""
        return self.id[:8]

    def tag(self, key: str) -> str | None:
        """Return the value of a tag `key=value`."""
        return next((each.partition("=")[2] for each in self.tags
                     if each.startswith(f"{key}=")), None)
