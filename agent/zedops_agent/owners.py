"""Users as numbers, as containers and images name them: `1000`, `1000:1000`. Pure."""

from __future__ import annotations

import re

from zedops.errors import EngineFailed

_NUMBERS = re.compile(r"([0-9]+)(?::([0-9]+))?(?::.*)?", re.ASCII)
#: The kernel's largest number; the one above it means: keep the present owner (chown(2)).
_MOST = 2**32 - 2


def numbers(user: str) -> tuple[int, int] | None:
    """Read user and group; None if the user is a name. EngineFailed if no such user can be."""
    match = _NUMBERS.match(user)
    if match is None or match.end(1) != len(user.partition(":")[0]):
        return None
    uid, gid = match[1], match[2] or match[1]
    if max(len(uid), len(gid)) > 10 or max(int(uid), int(gid)) > _MOST:
        raise EngineFailed(f"user {user[:40]!r} cannot be: the largest number is {_MOST}")
    return int(uid), int(gid)
