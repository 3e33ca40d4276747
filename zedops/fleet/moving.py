"""Decides a move of a world from host to host, by git and by the facts of both hosts. Pure.

The definition names the new host and, in `world.bring`, the old one; the state says which host acts
for the server. The stages follow from the facts alone, so any process may die at any moment:

1. *copy*: the old host makes a snapshot of the running server, the new host fetches it beside.
2. *last*: the server stops, the old host makes a snapshot of the difference, the new host puts that
   world in its place.
3. *leave*: the old host removes the container and keeps its world. Then git says that the new host
   acts, and only then the new host may start the server.

A failure leads back to the old host at any stage. After the last one, the new host first removes
its own container: the same way in the other direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet
from zedops.protocol.moves import MoveFacts
from zedops.spec.bring import bring_host
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.volume import VolumeKind


class Stage(StrEnum):
    """How far a move is."""

    COPY = "copy"
    LAST = "last"
    LEAVE = "leave"
    FAILED = "failed"
    ARRIVED = "arrived"  #: the new host acts, and has not yet run the server
    BACK = "back"  #: the new host failed, and lets go again
    DONE = "done"


@dataclass(frozen=True)
class Move:
    """A move that git asks for."""

    token: str
    old: str
    new: str
    acts: str  #: the host that acts for the server, by its state


def move_of(fleet: Fleet, document: Document) -> Move | None:
    """Read the move that a server's file asks for; None where zedops brings no world over."""
    definition, state = document.definition, document.state
    if definition is None or state is None or kind_of(document.path) is not Kind.SERVER:
        return None
    said = definition.world.bring if definition.world else None
    old, new = bring_host(said) if said else None, fleet.host_of(document)
    hosts = fleet.settings.hosts
    if said is None or old is None or new is None or old == new or new not in hosts:
        return None
    if state.host not in (old, new) or old not in hosts or not state.has_world:
        return None
    return Move(said, old, new, state.host)


def stage_of(
    move: Move, gives: MoveFacts, takes: MoveFacts, *, is_lost: bool, last_counts: bool
) -> Stage:
    """Decide how far a move is.

    `is_lost`: the new host does not answer. `last_counts`: the old host has made its last snapshot
    under a document that asked for it, so the server has not run since.
    """
    if move.acts == move.new:
        if takes.failure is not None:
            return Stage.BACK
        return Stage.DONE if takes.proven else Stage.ARRIVED
    if gives.failure is not None or takes.failure is not None:
        return Stage.FAILED
    if is_lost or takes.fetched is None:
        return Stage.COPY
    if last_counts and gives.last is not None and takes.placed == gives.last.snapshot:
        return Stage.LEAVE
    return Stage.LAST


def problems(fleet: Fleet, document: Document) -> list[Problem]:
    """Find the volumes that no move brings over: those in a place of their own."""
    resolved = fleet.resolve(document)[0]
    volumes = resolved.volumes if resolved else {}
    own = [key for key, each in sorted(volumes.items())
           if each.kind is VolumeKind.DATA and each.source is not None]
    if not own:
        return []
    fact = f"volume {own[0]!r} has a `source:` of its own, which zedops brings to no other host"
    way = f"`zedops move {document.name} --host {fleet.host_of(document)} --without-world`"
    return [document.problem(("world", "bring"), fact, f"bring its data over yourself: {way}")]
