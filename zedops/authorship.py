"""Which pushed commits say that zedops made them: none of them did. Pure.

`history` and the states name who asked for a change by what a commit says of itself. zedops commits
where the hub is, so what a push brings in its name is somebody else's.
"""

from __future__ import annotations

import re

from zedops.errors import Problem
from zedops.trailers import EMAIL

_NAME = "zedops"
_PERSON = re.compile(rb"^(?:author|committer) (.*?) ?<(.*?)> ", re.MULTILINE)
#: What state commits say to machines; a person's commit may say which deletions it means.
_TRAILER = re.compile(rb"^Zedops-(?!Allow-Delete:)[A-Za-z-]+:", re.MULTILINE | re.IGNORECASE)
FAULT = "says that zedops made it"
_OLD_HUB = "if the hub is older than your clone, `zedops init NAME --from CLONE` makes a new one"


def parents(raw: bytes) -> list[str]:
    """Read the parents of a commit, as git keeps it (git-cat-file(1))."""
    head = raw.partition(b"\n\n")[0]
    return [line[7:].decode() for line in head.split(b"\n") if line.startswith(b"parent ")]


def poses(raw: bytes) -> bool:
    """Say whether a commit, as git keeps it, gives zedops as who made it."""
    head, _, message = raw.partition(b"\n\n")
    people = _PERSON.findall(head)
    return bool(_TRAILER.search(message)) or any(
        _plain(name) == _NAME or email.strip().lower() == EMAIL.encode() for name, email in people
    )


def problem(commit: str) -> Problem:
    """Say what is wrong with such a commit, and what its author can do."""
    remedy = f"`git commit --amend --reset-author`, without its `Zedops-` lines; {_OLD_HUB}"
    return Problem(f"commit {commit[:7]}", 0, 0, "", FAULT, remedy)


def _plain(name: bytes) -> str:
    """Leave of a name what somebody sees of it."""
    return "".join(c for c in name.decode("utf-8", "replace") if c.isalnum()).casefold()
