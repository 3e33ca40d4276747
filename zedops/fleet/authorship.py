"""Detects pushed commits that falsely claim zedops as their author. Pure.

`history` and the states name the person behind a change by the commit's author. zedops commits only
in the hub, so a pushed commit in its name is another author's.
"""

from __future__ import annotations

import re

from zedops.errors import Problem
from zedops.fleet.trailers import EMAIL, OWN

_NAME = "zedops"
_PERSON = re.compile(rb"^(?:author|committer) (.*?) ?<(.*?)> ", re.MULTILINE)
#: A person's commit may carry the trailer that confirms deletions, and lines such as `zedops-x: …`.
_TRAILER = re.compile(
    rf"^Zedops-(?:{'|'.join(OWN)})[ \t]*:".encode(), re.MULTILINE | re.IGNORECASE
)
FAULT = "says that zedops made it"
_OLD_HUB = "if the hub is older than your clone, `zedops init NAME --from CLONE` makes a new one"


def parents(raw: bytes) -> list[str]:
    """Read the parents of a commit, as git keeps it (git-cat-file(1))."""
    head = raw.partition(b"\n\n")[0]
    return [line[7:].decode() for line in head.split(b"\n") if line.startswith(b"parent ")]


def poses(raw: bytes) -> bool:
    """Tell whether a raw commit claims zedops as author or committer, or has its trailers."""
    head, _, message = raw.partition(b"\n\n")
    people = _PERSON.findall(head)
    return bool(_TRAILER.search(message)) or any(
        _plain(name) == _NAME or email.strip().lower() == EMAIL.encode() for name, email in people
    )


def problem(commit: str) -> Problem:
    """Report such a commit, with the remedy for its author."""
    remedy = f"`git commit --amend --reset-author`, without its `Zedops-` lines; {_OLD_HUB}"
    return Problem(f"commit {commit[:7]}", 0, 0, "", FAULT, remedy)


def _plain(name: bytes) -> str:
    """Reduce a name to its letters and digits, without case."""
    return "".join(c for c in name.decode("utf-8", "replace") if c.isalnum()).casefold()
