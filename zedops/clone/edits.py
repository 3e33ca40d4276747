"""Finds the edits of a working copy that are not pushed yet, with git.

Imports little: commands load it at their start, and the manager computes the effect of the edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zedops.clone.checkout import REMOTE_MAIN
from zedops.errors import GitFailed, UsageError
from zedops.git.objects import LINK_MODE, NO_OBJECT, Entry
from zedops.git.repository import Repository
from zedops.spec.layout import MAX_FILE_BYTES, Kind, kind_of
from zedops.spec.strays import is_suspect

#: A file's content now; None: no file. zedops never follows a link: it may lead anywhere.
Content = bytes | Entry | None
_LINK = Entry(LINK_MODE, NO_OBJECT)


@dataclass(frozen=True)
class Edits:
    """Files of the working copy that differ from a commit of main."""

    base: str
    files: dict[str, Content]

    def as_json(self) -> dict[str, Any]:
        """Encode them for the control socket: text, `true` for a link, `null` for no file."""
        files = {path: _said(each) for path, each in self.files.items()}
        return {"base": self.base, "files": files}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Edits:
        """Read what `as_json` wrote."""
        return cls(said["base"], {path: _meant(each) for path, each in said["files"].items()})


def read(root: Path, path: str) -> Content:
    """Read a file of the working copy, at most one byte more than the largest allowed size."""
    if (root / path).is_symlink():
        return _LINK
    if not (root / path).is_file():
        return None
    with (root / path).open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def edits(repository: Repository) -> Edits:
    """Find the changes of the working copy, with uncommitted edits."""
    try:
        base = repository.run("merge-base", "HEAD", REMOTE_MAIN)
    except GitFailed:  # nothing was committed here yet
        base = repository.resolve(REMOTE_MAIN) or ""
    if not base:
        remedy = "push a first commit with zedops.yaml, or fetch"
        raise UsageError(f"{repository.path} knows no {REMOTE_MAIN}; {remedy}")
    said = _names(repository.pipe(
        "diff", "--name-status", "-z", "--no-renames", "--no-relative",
        "--end-of-options", base, "--"
    ))
    known = dict(zip(said[1::2], said[::2], strict=True))
    new = _names(repository.pipe(
        "ls-files", "-z", "--others", "--exclude-standard"
    ))
    files = {path: None if how == "D" and path not in new else read(repository.path, path)
             for path, how in {**known, **dict.fromkeys(new, "A")}.items()
             if kind_of(path) is not Kind.OTHER or is_suspect(path)}
    return Edits(base, files)


def _names(out: bytes) -> list[str]:
    return [each.decode("utf-8", "surrogateescape") for each in out.split(b"\0")[:-1]]


def _said(content: Content) -> object:
    if isinstance(content, Entry):
        return True
    return content if content is None else content.decode("utf-8", "surrogateescape")


def _meant(said: object) -> Content:
    if isinstance(said, str):
        return said.encode("utf-8", "surrogateescape")
    return _LINK if said is True else None
