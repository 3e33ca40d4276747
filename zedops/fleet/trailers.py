"""Reads the reasons and trailers of zedops' own commits. Pure.

Imports nothing: `zedops history` loads it first.
"""

from __future__ import annotations

#: The committer of zedops' own commits.
EMAIL = "zedops@localhost"
#: The trailers that only zedops writes: of its state commits, and of its merges.
OWN = ("Server", "Host", "Transition", "At", "Commit", "Upstream")


def read_reasons(message: str) -> dict[str, str]:
    """Read the reasons of a state commit, by server: its second paragraph of three."""
    paragraphs = message.strip().split("\n\n")
    lines = paragraphs[1].splitlines() if len(paragraphs) > 2 else []
    return {name: why for name, colon, why in (each.partition(": ") for each in lines) if colon}


def read_trailers(message: str) -> list[dict[str, str]]:
    """Read the trailer groups of a state commit back, one mapping a server.

    Its keys: server, id, host, transition, at (a time for each status but the first), commit.
    """
    groups: list[dict[str, str]] = []
    for line in message.splitlines():
        key, colon, value = line.partition(": ")
        if not colon or not key.startswith("Zedops-"):
            continue
        field = key.removeprefix("Zedops-").lower()
        if field == "server":
            name, _, server_id = value.partition(" ")
            groups.append({"server": name, "id": server_id})
        elif groups:
            groups[-1][field] = value
    return groups
