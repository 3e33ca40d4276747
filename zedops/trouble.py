"""What git says when it fails: who was faster, a full disk, damage, and the way out. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from zedops.errors import GitFailed, RaceLost

#: What git says when a ref moved or is being moved by somebody else, here or on a remote.
_RACE_WORDS = (
    "cannot lock ref", "but expected", "reference already exists", "Unable to create",
    "fetch first", "non-fast-forward", "failed to update ref", "Not updating",
    "incorrect old value",
)  # fmt: skip
#: What git says of a disk that takes nothing more → the fact, and the way out.
_FULL = ("no space left on the disk of", "make room there")
_DISK_WORDS = {
    "No space left on device": _FULL,
    "Out of diskspace": _FULL,
    "Disk quota exceeded": _FULL,
    "Read-only file system": ("the disk is read-only:", "mount it so that it can be written"),
}
#: What git says of objects that are not what they were.
_DAMAGE_WORDS = ("unable to read tree", "is corrupt", "unable to read sha1", "bad object refs/")
#: What it says of one that is missing, but also of what was never one.
NOT_THERE = "not a tree object"
#: The way out for a repository that lost something: what any clone has can be had from it.
MEND = ("there `git fsck` names what is missing, and which corrupt file to remove; "
        "`git fetch --refetch CLONE main` brings it back from any clone")
#: What it says of a repository whose owner is neither this user nor trusted (git-config(1)).
_OTHERS = re.compile(r"detected dubious ownership in repository at '([^']+)'")
_ANOTHERS = "belongs to another user, and git does not trust it"
_LEFT = re.compile(r"\b(objects/pack/tmp_pack_\w+|fast_import_crash_\d+)\b")


def failure(arguments: tuple[str, ...], said: str) -> GitFailed:
    """Make the error for a git command that failed."""
    if found := _OTHERS.search(said):
        fact = f"{found[1]} {_ANOTHERS}"
        remedy = f"if you do: git config --global --add safe.directory {found[1]}"
        return GitFailed(f"git {arguments[0]}: {fact}; {remedy}")
    lines = [line for line in said.strip().splitlines() if line.strip()]
    words = "; ".join(lines[-3:]) or "no reason given"
    kind = RaceLost if any(word in said for word in _RACE_WORDS) else GitFailed
    return kind(f"git {arguments[0]}: {words}")


def is_of_another(said: str) -> bool:
    """Say whether an error made here is about a repository that git does not trust."""
    return _ANOTHERS in said


def of_disk(path: Path, command: str, said: str) -> GitFailed | None:
    """Make the error for a disk that is full or read-only: never git's words, which change."""
    for words, (fact, remedy) in _DISK_WORDS.items():
        if words in said:
            return GitFailed(f"git {command}: {fact} {path}; {remedy}")
    return None


def is_told(said: str) -> bool:
    """Say whether git says that something is damaged."""
    return any(words in said for words in _DAMAGE_WORDS)


def of_objects(path: Path, fact: object) -> GitFailed:
    """Make the error for a repository that lacks what it should have."""
    return GitFailed(f"{path} is damaged: {fact}; {MEND}")


def left_behind(said: str) -> list[str]:
    """List what a fast-import that failed leaves for ever: its pack, and its report.

    On a disk that is full that would be the last of the room, one try after the other.
    """
    return _LEFT.findall(said)
