"""What a changed definition means for a container that is there. Pure.

One rule for both who ask: the agent, before it acts, and whoever wants to know beforehand.
"""

from __future__ import annotations

from enum import StrEnum

from zedops.model import Definition, definition_hash


class Change(StrEnum):
    """How far a change goes, the mildest first."""

    NOTHING = "nothing"
    IN_PLACE = "in place"  #: the container runs on
    RESTART = "restart"  #: the same container is stopped and started
    RECREATE = "recreate"  #: another container takes its place


def is_made_for(made_from: str, made_for: str, wanted: str, rebuild: str | None) -> bool:
    """Say whether a container, made from a hash and for a `rebuild` token, is what is asked for."""
    return made_from == wanted and rebuild in (None, made_for)


def asks_restart(definition: Definition, answered: str | None) -> bool:
    """Say whether a `restart` is asked for that was not answered yet."""
    return definition.restart is not None and definition.restart != answered


def change(before: Definition, after: Definition) -> Change:
    """Say what becomes of the container of one definition under the next, both resolved."""
    made_for = before.rebuild or ""
    wanted = definition_hash(after)
    if not is_made_for(definition_hash(before), made_for, wanted, after.rebuild):
        return Change.RECREATE
    if asks_restart(after, before.restart):
        return Change.RESTART
    return Change.NOTHING if before == after else Change.IN_PLACE
