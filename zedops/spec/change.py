"""Decides how a changed definition affects the existing container. Pure.

Agent and forecast use this one rule: the agent before it acts, the forecast before a push.
"""

from __future__ import annotations

from enum import StrEnum

from zedops.spec.model import Definition, definition_hash


class ChangeKind(StrEnum):
    """How far a change goes, the mildest first."""

    NOTHING = "nothing"
    IN_PLACE = "in place"  #: the container runs on
    RESTART = "restart"  #: the same container is stopped and started
    RECREATE = "recreate"  #: another container takes its place


def is_made_for(made_from: str, made_for: str, wanted: str, rebuild: str | None) -> bool:
    """Tell whether a container, made from a hash and for a `rebuild` token, fits a definition."""
    return made_from == wanted and rebuild in (None, made_for)


def asks_restart(definition: Definition, answered: str | None) -> bool:
    """Tell whether a definition asks for a `restart` that was not answered yet."""
    return definition.restart is not None and definition.restart != answered


def change(before: Definition, after: Definition) -> ChangeKind:
    """Say how a change from one resolved definition to the next affects the container."""
    made_for = before.rebuild or ""
    wanted = definition_hash(after)
    if not is_made_for(definition_hash(before), made_for, wanted, after.rebuild):
        return ChangeKind.RECREATE
    if asks_restart(after, before.restart):
        return ChangeKind.RESTART
    return ChangeKind.NOTHING if before == after else ChangeKind.IN_PLACE
