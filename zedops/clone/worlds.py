"""The acts on worlds: a backup, a proof and a restore are each a changed token in a definition."""

from __future__ import annotations

from datetime import datetime

from zedops.clone.verbs import Act
from zedops.errors import UsageError, ZedopsError
from zedops.spec import edit, state_block
from zedops.spec.backup import wanted
from zedops.spec.document import Document

#: The acts by the words of their commands: the key below `world:`, and the words of the commit.
ACTS = {
    "backup": ("backup", "backup"),
    "backup prove": ("prove", "proof of its backup"),
    "backup restore": ("restore", "restore of its world to {}"),
}


def act(each: Document, verb: str, now: datetime, snapshot: str = "latest") -> Act:
    """Ask for an act on a world. UsageError for a snapshot that no restore can mean."""
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    key, words = ACTS[verb]
    asked = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    if key == "restore":
        if wanted(snapshot) is None:
            raise UsageError(f"{snapshot!r} is neither a snapshot's id nor a time")
        asked = f"{snapshot} ({asked})"
    head = edit.set_key(each.source, each.head, "world", key, asked)
    message = f"{each.name}: {words.format(snapshot)}"
    return Act(message, {each.path: state_block.render(head, each.state)})
