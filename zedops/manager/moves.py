"""Keeps what both hosts have said of each move, and asks each of them for its part.

No I/O, no clock. `fleet.moving` decides the stages. All of this is in memory: both hosts keep their
facts on disk and say them again to the next manager.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zedops.fleet.fleet import Fleet
from zedops.fleet.moving import Move, Stage, move_of, stage_of
from zedops.protocol.moves import MoveFacts, MoveOrder
from zedops.protocol.remarks import MOVING, NOT_MOVED
from zedops.protocol.sync import DesiredServer, Goal, ServerReport
from zedops.spec.document import Document
from zedops.spec.fields import COMMIT
from zedops.spec.state import State
from zedops.spec.state_block import brief

_UNDER_WAY = frozenset({Stage.COPY, Stage.LAST, Stage.LEAVE, Stage.ARRIVED, Stage.BACK})
Stamp = tuple[int, int]


@dataclass
class _Known:
    move: Move
    stage: Stage = Stage.COPY
    #: What each host has said, and under which document.
    facts: dict[str, tuple[MoveFacts, Stamp]] = field(default_factory=dict)
    by_bus: bool = True
    #: The commit of the definition that the acting host has applied.
    applied: str | None = None
    #: The first document that asked for the present last snapshot.
    asked: Stamp | None = None

    def of(self, host: str) -> MoveFacts:
        said = self.facts.get(host)
        return said[0] if said else MoveFacts(token=self.move.token)

    @property
    def last_counts(self) -> bool:
        """Say whether the old host's last snapshot was asked for by this manager."""
        said = self.facts.get(self.move.old)
        return said is not None and self.asked is not None and said[1] >= self.asked


class Moves:
    """The moves that zedops carries out."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._lost: set[str] = set()

    def shape(
        self, fleet: Fleet, each: Document, want: DesiredServer
    ) -> tuple[DesiredServer, tuple[str, DesiredServer] | None]:
        """Add a host's part in a move; returns also the part of the new host, and its name."""
        move = move_of(fleet, each)
        if move is None:
            self._known.pop(want.id, None)
            return want, None
        known = self._known.setdefault(want.id, _Known(move))
        if known.move.token != move.token or known.move.new != move.new:
            known = self._known[want.id] = _Known(move)
        known.move, known.by_bus = move, want.repository is None
        gives, takes = known.of(move.old), known.of(move.new)
        is_lost = move.new in self._lost
        known.stage = stage_of(
            move, gives, takes, is_lost=is_lost, last_counts=known.last_counts
        )
        if known.stage not in (Stage.LAST, Stage.LEAVE):
            known.asked = None
        return _with_parts(known, want)

    def ask(self, server_id: str, stamp: Stamp) -> None:
        """Note the document that asks for the last snapshot, if one does."""
        known = self._known.get(server_id)
        if known is not None and known.asked is None and known.stage is Stage.LAST:
            known.asked = stamp

    def take(self, report: ServerReport, host: str) -> bool:
        """Take what a host says; False if it says nothing new."""
        known = self._known.get(report.id)
        if known is None or host not in (known.move.old, known.move.new):
            return False
        if host == known.move.acts and report.activity is None:
            known.applied = report.about if report.applied else None
        was_lost = host in self._lost
        self._lost.discard(host)
        if report.move is None or report.move.token != known.move.token:
            return was_lost
        said = (report.move, report.under or (0, 0))
        before, known.facts[host] = known.facts.get(host), said
        return was_lost or before != said

    def lose(self, host: str) -> list[str]:
        """Note that a host does not answer; returns the servers that wait for it."""
        waiting = [key for key, each in self._known.items() if each.move.new == host]
        if waiting:
            self._lost.add(host)
        return waiting

    def goes_to(self, server_id: str, report: ServerReport) -> str | None:
        """Say which host takes over, now that the host that acts has no container left."""
        known = self._known.get(server_id)
        if known is None or not report.is_gone:
            return None
        if known.stage is Stage.BACK:
            return known.move.old
        is_last = report.move is not None and report.move.last == known.of(known.move.old).last
        return known.move.new if known.stage is Stage.LEAVE and is_last else None

    def unfinished(self, report: ServerReport) -> ServerReport:
        """Have a definition count as applied only once its move is over."""
        is_away = self.is_under_way(report.id)
        return report.model_copy(update={"applied": False}) if is_away else report

    def is_under_way(self, server_id: str) -> bool:
        """Say whether a server is between two hosts."""
        known = self._known.get(server_id)
        return known is not None and known.stage in _UNDER_WAY

    def said_in(self, state: State) -> State:
        """Add to a state how its move stands, where it has no message of its own."""
        known = self._known.get(state.id)
        if known is None or (state.message and not state.message.startswith((MOVING, NOT_MOVED))):
            return state
        text = state.message
        if known.stage is Stage.FAILED:
            why = known.of(known.move.new).failure or known.of(known.move.old).failure
            text = brief(f"{NOT_MOVED}{known.move.new}: {why}")
            if known.applied is not None and COMMIT.fullmatch(known.applied):
                state = state.model_copy(update={"commit": known.applied})
        elif known.stage in (Stage.LAST, Stage.LEAVE):
            text = f"{MOVING}{known.move.new}: its world is on the way"
        return state.model_copy(update={"message": text})

    def copies(self) -> list[tuple[str, Move]]:
        """List the moves whose files may have to go from host to host."""
        stages = (Stage.COPY, Stage.LAST)
        return [(key, each.move) for key, each in self._known.items()
                if each.stage in stages and each.by_bus and each.of(each.move.old).base is not None
                and each.move.new not in self._lost]


def _with_parts(
    known: _Known, want: DesiredServer
) -> tuple[DesiredServer, tuple[str, DesiredServer] | None]:
    move, stage = known.move, known.stage
    if stage is Stage.BACK:
        return want.model_copy(update={"goal": Goal.DELETED}), None
    if stage in (Stage.ARRIVED, Stage.DONE):
        return want, None
    gives = known.of(move.old)
    is_last = stage in (Stage.LAST, Stage.LEAVE)
    is_made = is_last and known.last_counts and gives.last is not None
    order = MoveOrder(token=move.token, role="give", peer=move.new, last=is_last,
                      by_bus=want.repository is None)
    snapshot = gives.last if is_made else gives.base
    takes = order.model_copy(update={
        "role": "take", "peer": move.old, "last": is_made,
        "snapshot": None if stage is Stage.FAILED else snapshot,
    })
    # an older agent knows no moves: it takes the world for lost, and makes no container
    guest = want.model_copy(update={"goal": Goal.STOPPED, "created": True, "move": takes})
    if stage is Stage.FAILED:
        return want, (move.new, guest)
    goal = {Stage.LAST: Goal.STOPPED, Stage.LEAVE: Goal.DELETED}.get(stage, want.goal)
    return want.model_copy(update={"goal": goal, "move": order}), (move.new, guest)
