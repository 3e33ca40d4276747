"""Names the subjects of all messages. Pure.

A host publishes under `zed.u.<host>.` and subscribes under `zed.d.<host>.`; the server allows it
nothing else (`jwt`). Answers to a host go to inboxes under its own name. The server does not check
reply subjects, so the manager does.
"""

from __future__ import annotations

SYNC, HEARTBEAT, REPORT, PROGRESS, STREAM = "sync", "hb", "report", "progress", "s"
DESIRED, CALL, CREDIT = "desired", "call", "credit"
#: A manager that began publishes this: every host then asks for its document.
HELLO = "zed.d.all.hello"
MANAGER_INBOX = "_INBOX_manager"


def up(host: str, *what: str) -> str:
    """Name the subject of a host's messages; `*` for every host."""
    return ".".join(("zed.u", host, *what))


def down(host: str, *what: str) -> str:
    """Name the subject of messages to a host."""
    return ".".join(("zed.d", host, *what))


def join(token_id: str) -> str:
    """Name the subject on which a token is redeemed; `*` for every token."""
    return f"zed.join.{token_id}"


def inbox(host: str) -> str:
    """Name the prefix of the inboxes that a host reads."""
    return f"_INBOX_{host}"


def joining_inbox(token_id: str) -> str:
    """Name the prefix of the inboxes that the holder of a token reads."""
    return f"_INBOX_join_{token_id}"


def speaker(subject: str) -> str:
    """Name the host, or the token, that publishes on a subject."""
    parts = subject.split(".")
    return parts[2]


def is_answerable(subject: str, reply: str) -> bool:
    """Say whether a reply subject belongs to the asking host: no answer goes to another one."""
    if subject.startswith("zed.join."):
        return reply.startswith(joining_inbox(speaker(subject)) + ".")
    return reply.startswith(inbox(speaker(subject)) + ".")
