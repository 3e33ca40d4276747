"""Carries out this host's steps in moves of worlds. `move_rules` decides them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from zedops.bus.interfaces import Stream
from zedops.errors import EngineFailed
from zedops.protocol.moves import (
    MoveFilesReply,
    MoveFilesRequest,
    MoveReadRequest,
    MoveWriteReply,
    MoveWriteRequest,
)
from zedops.protocol.sync import DesiredServer
from zedops_agent.backup import move_rules
from zedops_agent.backup.giving import WorldGiver
from zedops_agent.backup.ground import Ground
from zedops_agent.backup.move_files import MoveFiles
from zedops_agent.backup.record import Record
from zedops_agent.backup.taking import WorldTaker
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed
from zedops_agent.steps import GiveWorld, NoteMove, PlaceWorld, Plan, TakeWorld

MoveStep = GiveWorld | TakeWorld | PlaceWorld | NoteMove


class Moving:
    """The moves of one fleet's worlds from and to this host."""

    def __init__(self, ground: Ground, wake: Callable[[set[str]], None]) -> None:
        self._ground, self._wake = ground, wake
        self._files = MoveFiles(ground.root, ground.fleet)
        self._giver = WorldGiver(ground, self._files)
        self._taker = WorldTaker(ground, self._files)

    def start(self) -> None:
        """Remove the repositories of moves that ended while no agent ran."""
        servers = self._ground.desired.servers.items()
        self._files.clean_all({key: each.move.token for key, each in servers if each.move})

    def planned(
        self, plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, record: Record,
        now: datetime, *, has_turn: bool,
    ) -> Plan:
        """Put this host's part in a move into a server's plan."""
        if want.move is None:
            self._files.clean(want.id)
        has_files = self._has_files(want)
        return move_rules.with_move(
            plan, want, seen, memory, record, now, has_turn=has_turn, has_files=has_files
        )

    def needs_turn(self, want: DesiredServer, record: Record) -> bool:
        """Say whether the next copy may have to wait for that of another server."""
        return move_rules.needs_turn(want, record, has_files=self._has_files(want))

    def _has_files(self, want: DesiredServer) -> bool:
        order = want.move
        return order is not None and order.snapshot is not None and self._files.has(
            want.id, order.token, order.snapshot.snapshot
        )

    def forget(self, server_id: str) -> None:
        """Forget a server that left this host."""
        self._files.clean(server_id)

    def carry_out(
        self, step: MoveStep, want: DesiredServer, seen: Observed,
        progress: Callable[[str], None],
    ) -> None:
        """Do one step."""
        match step:
            case GiveWorld():
                self._giver.give(step, want, seen, progress)
            case TakeWorld():
                self._taker.take(want, progress)
            case PlaceWorld():
                self._taker.place(want, seen)
            case NoteMove(what="begin"):
                self._taker.begin(want)
            case NoteMove(what="room"):
                self._taker.check_room(want)
            case NoteMove(what="start"):
                self._taker.start(want)
            case NoteMove(what="drop"):
                self._giver.drop(want)
            case NoteMove():
                self._taker.end(want, step.text if step.what == "fail" else None)

    def note_failure(self, step: MoveStep, want: DesiredServer, text: str) -> None:
        """Note a failure: the server goes on at its old host."""
        if isinstance(step, GiveWorld):
            self._giver.fail(want, text)
        elif move_rules.takes(want) is not None:
            self._taker.fail(want, text)

    # --- the bus

    def answer(
        self, request: MoveFilesRequest | MoveWriteRequest
    ) -> MoveFilesReply | MoveWriteReply:
        """List files of a move, or take a piece of one."""
        want = self._ground.desired.newest(request.server_id)
        if isinstance(request, MoveFilesRequest):
            role = want.move.role if want is not None and want.move is not None else "give"
            self._files.ordered(want, request.token, role)
            return self._files.listed(request)
        self._files.ordered(want, request.token, "take")
        known = self._ground.record(want).taking if want is not None else None
        if known is None or known.token != request.token or not known.has_room or known.failure:
            raise EngineFailed("this host is not ready for files of that move")
        reply = self._files.write(request)
        if request.whole:
            self._wake({request.server_id})
        return reply

    def read(self, request: MoveReadRequest) -> Stream:
        """Stream a file of a move that this host gives away."""
        self._files.ordered(self._ground.desired.newest(request.server_id), request.token, "give")
        return self._files.read(request)

