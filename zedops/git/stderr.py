"""Classifies git's error output: a lost race, a full disk, damage; adds the remedy. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from zedops.errors import GitFailed, RaceLost

#: git's words when another process moved or locks a ref, here or on a remote.
_RACE_WORDS = (
    "cannot lock ref", "but expected", "reference already exists", "Unable to create",
    "fetch first", "non-fast-forward", "failed to update ref", "Not updating",
    "incorrect old value",
)  # fmt: skip
#: git's words about a full or read-only disk → fact and remedy.
_FULL = ("no space left on the disk of", "make room there")
_DISK_WORDS = {
    "No space left on device": _FULL,
    "Out of diskspace": _FULL,
    "Disk quota exceeded": _FULL,
    "Read-only file system": ("the disk is read-only:", "mount it so that it can be written"),
}
#: git's words about damaged objects.
_DAMAGE_WORDS = ("unable to read tree", "is corrupt", "unable to read sha1", "bad object refs/")
#: git's words about a missing object, but also about an object of another type.
NOT_THERE = "not a tree object"
#: The remedy for lost objects: any clone with them can supply them.
MEND = ("run `git fsck` there: it names missing objects, and the corrupt file to remove; "
        "then `git fetch --refetch CLONE main` copies them from any clone")
#: git's words about a repository of another user that is not trusted (git-config(1)).
_OTHERS = re.compile(r"detected dubious ownership in repository at '([^']+)'")
_ANOTHERS = "belongs to another user, and git does not trust it"
_LEFT = re.compile(r"\b(objects/pack/tmp_pack_\w+|fast_import_crash_\d+)\b")


def failure(arguments: tuple[str, ...], said: str) -> GitFailed:
    """Make the error for a git command that failed."""
    if found := _OTHERS.search(said):
        fact = f"{found[1]} {_ANOTHERS}"
        remedy = f"if you trust it: git config --global --add safe.directory {found[1]}"
        return GitFailed(f"git {arguments[0]}: {fact}; {remedy}")
    lines = [line for line in said.strip().splitlines() if line.strip()]
    words = "; ".join(lines[-3:]) or "no reason given"
    kind = RaceLost if any(word in said for word in _RACE_WORDS) else GitFailed
    return kind(f"git {arguments[0]}: {words}")


def is_of_another(said: str) -> bool:
    """Say whether an error from `failure` is about a repository that git does not trust."""
    return _ANOTHERS in said


def of_disk(path: Path, command: str, said: str) -> GitFailed | None:
    """Make the error for a full or read-only disk; leaves out git's words, which change."""
    for words, (fact, remedy) in _DISK_WORDS.items():
        if words in said:
            return GitFailed(f"git {command}: {fact} {path}; {remedy}")
    return None


def is_told(said: str) -> bool:
    """Say whether git reports damage."""
    return any(words in said for words in _DAMAGE_WORDS)


def of_objects(path: Path, fact: object) -> GitFailed:
    """Make the error for a repository with missing or damaged objects."""
    return GitFailed(f"{path} is damaged: {fact}; {MEND}")


def left_behind(said: str) -> list[str]:
    """List the files that a failed fast-import leaves behind: its pack and its crash report.

    On a full disk, further attempts would use up the space that is left.
    """
    return _LEFT.findall(said)
