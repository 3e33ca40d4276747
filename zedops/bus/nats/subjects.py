"""Which subject carries what. Pure.

Everything a host says is under `zed.u.<host>.`, everything said to it under `zed.d.<host>.`; the
server lets a host publish and subscribe there and nowhere else (`jwt`). Answers to a host go to
inboxes under its own name: the server does not check reply subjects, so the manager does.
"""

from __future__ import annotations

SYNC, HEARTBEAT, REPORT, PROGRESS, STREAM = "sync", "hb", "report", "progress", "s"
DESIRED, CALL, CREDIT = "desired", "call", "credit"
#: Said by a manager that began: every host asks for its document.
HELLO = "zed.d.all.hello"
MANAGER_INBOX = "_INBOX_manager"


def up(host: str, *what: str) -> str:
    """Name what a host says; `*` for every host."""
    return ".".join(("zed.u", host, *what))


def down(host: str, *what: str) -> str:
    """Name what is said to a host."""
    return ".".join(("zed.d", host, *what))


def join(token_id: str) -> str:
    """Name where a token is redeemed; `*` for every token."""
    return f"zed.join.{token_id}"


def inbox(host: str) -> str:
    """Name the prefix of the inboxes that a host reads."""
    return f"_INBOX_{host}"


def joining_inbox(token_id: str) -> str:
    """Name the prefix of the inboxes that the holder of a token reads."""
    return f"_INBOX_join_{token_id}"


def speaker(subject: str) -> str:
    """Say which host, or which token, a subject is spoken by."""
    parts = subject.split(".")
    return parts[2]


def is_answerable(subject: str, reply: str) -> bool:
    """Say whether a reply subject is the asking host's own, so that no other one is written to."""
    if subject.startswith("zed.join."):
        return reply.startswith(joining_inbox(speaker(subject)) + ".")
    return reply.startswith(inbox(speaker(subject)) + ".")
