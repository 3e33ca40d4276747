"""Decides this host's steps in a move of a world. Pure. `fleet.moving` decides the stages.

The old host makes a snapshot while the server runs, and one after it was stopped. The latter counts
only while the server has not run since: its note is dropped first. The new host fetches both beside
and never makes a container, until git says that it acts for the server. Then it watches the first
run; a failure keeps the server down here until the manager has taken it back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from zedops.protocol.moves import MoveOrder
from zedops.protocol.sync import DesiredServer, Goal
from zedops_agent.backup.move_record import Giving, Taking
from zedops_agent.backup.record import Record
from zedops_agent.crashes import died
from zedops_agent.memory import PROVEN_S, Memory, matches, ran_s
from zedops_agent.observed import Container, Observed, Phase
from zedops_agent.steps import (
    GiveWorld,
    MakeData,
    NoteMove,
    PlaceWorld,
    Plan,
    Pull,
    Start,
    Step,
    StopContainer,
    TakeWorld,
)

#: The time between looks for files of the other host.
FILES_LOOK_S = 1.0
#: The time between looks while another server has the turn.
TURN_LOOK_S = 5.0
#: Within this time of its first start, a server that crashes goes back. Later it may have players.
_FIRST_RUN = timedelta(minutes=1)


def token_of(want: DesiredServer) -> str | None:
    """Name the move that is asked for, or that brought the world here."""
    if want.move is not None:
        return want.move.token
    return want.definition.world.bring if want.definition.world else None


def takes(want: DesiredServer) -> MoveOrder | None:
    """Return the order to fetch a world for a server that another host acts for."""
    return want.move if want.move is not None and want.move.role == "take" else None


def gives(want: DesiredServer) -> MoveOrder | None:
    """Return the order to give a world away."""
    return want.move if want.move is not None and want.move.role == "give" else None


def is_away(want: DesiredServer) -> bool:
    """Say whether the server does not run here for its move: no backup or restore begins."""
    return want.move is not None and (want.move.role == "take" or want.move.last)


def needs_turn(want: DesiredServer, record: Record, *, has_files: bool) -> bool:
    """Say whether the next copy may have to wait for that of another server.

    No server waits while it is down, and none holds the turn while its files are on their way.
    """
    order = want.move
    if order is None or order.last:
        return False
    if order.role == "give":
        known = record.giving
        return known is None or known.token != order.token or not (known.base or known.failure)
    taking = record.taking
    if taking is None or taking.token != order.token or taking.fetched or taking.failure:
        return False
    return order.snapshot is not None and (has_files or not order.by_bus)


def with_move(
    plan: Plan, want: DesiredServer, seen: Observed, memory: Memory, record: Record,
    now: datetime, *, has_turn: bool, has_files: bool,
) -> Plan:
    """Put a host's part in a move into a server's plan.

    `has_files`: the repository of this move is here, with the snapshot that is asked for.
    """
    if seen.root_gone is not None:
        return plan
    if (order := takes(want)) is not None:
        return _taking(order, want, memory, record.taking, now, has_turn=has_turn,
                       has_files=has_files)
    known = record.giving
    is_up = any(each.up for each in seen.containers)
    if known is not None and known.last is not None and want.goal is not Goal.DELETED:
        order = gives(want)
        if order is None or not order.last or order.token != known.token or is_up:
            return Plan((NoteMove("drop", None, "the server is to run here"),), backs_up=True)
    if (order := gives(want)) is not None:
        return _giving(plan, order, known, now, is_up=is_up, has_turn=has_turn)
    if (taking := record.taking) is not None and taking.token == token_of(want):
        return _arriving(plan, taking, want, seen, memory, now)
    return plan


def _giving(
    plan: Plan, order: MoveOrder, known: Giving | None, now: datetime, *, is_up: bool,
    has_turn: bool,
) -> Plan:
    if known is None or known.token != order.token:
        known = Giving(token=order.token)
    is_made = known.last is not None if order.last else known.base is not None
    if plan.steps or plan.refused or plan.lost or is_made or known.failure or (
        order.last and is_up
    ):
        return plan
    if not order.last and not has_turn:
        return replace(plan, again_at=now + timedelta(seconds=TURN_LOOK_S))
    cause = f"its world moves to {order.peer}"
    return Plan((GiveWorld(last=order.last, cause=cause),), backs_up=order.last)


def _taking(
    order: MoveOrder, want: DesiredServer, memory: Memory, known: Taking | None, now: datetime, *,
    has_turn: bool, has_files: bool,
) -> Plan:
    cause = f"its world comes from {order.peer}"
    if known is None or known.token != order.token:
        return Plan((NoteMove("begin", None, cause),))
    if known.failure is not None or order.snapshot is None:
        return Plan()
    failure = memory.failure
    if failure is not None and failure.at is not None and failure.at >= known.at:
        return Plan((NoteMove("fail", failure.text, cause),))
    snapshot = order.snapshot.snapshot
    if known.placed == snapshot:
        return Plan()
    if known.fetched == snapshot and not order.last:
        return Plan()
    if known.fetched == snapshot and known.settled:
        return Plan((PlaceWorld(cause),))
    if not known.has_room:
        return Plan((NoteMove("room", None, cause),))
    if order.by_bus and not has_files:
        return Plan(again_at=now + timedelta(seconds=FILES_LOOK_S), pending=True)
    if not order.last and not has_turn:
        return Plan(again_at=now + timedelta(seconds=TURN_LOOK_S), pending=True)
    steps: list[Step] = []
    if known.fetched is None:  # all that could refuse the server here comes before its stop
        steps.append(Pull(want.definition.image, newest=False, cause=cause,
                          ran=memory.ran.get(want.definition.image)))
    steps += [MakeData(cause), TakeWorld(cause)]
    return Plan(tuple(steps))


def _arriving(
    plan: Plan, known: Taking, want: DesiredServer, seen: Observed, memory: Memory, now: datetime
) -> Plan:
    """Watch the first run on the new host. Once it may have had players, it stays."""
    if want.goal.ends or known.over or (known.placed is None and known.failure is None):
        return plan
    if known.failure is not None:
        stop, cause = want.definition.stop, "it goes back to the host that it came from"
        downs = [StopContainer(each.id, stop, cause) for each in seen.containers if each.up]
        return Plan(tuple(downs), refused=known.failure)
    current = max((each for each in seen.containers if matches(each, want)),
                  key=lambda each: each.up, default=None)
    late = known.started is not None and now > known.started + _FIRST_RUN
    rests = want.goal is Goal.STOPPED and current is not None and not plan.steps
    if rests or late or (current is not None and _ran_long(current, memory, now)):
        return replace(plan, steps=(NoteMove("over", None, "it runs here"), *plan.steps))
    if (why := _trouble(plan, known, current, memory)) is not None:
        return Plan((NoteMove("fail", why, "it does not run here"),))
    if known.started is None and any(isinstance(each, Start) for each in plan.steps):
        return replace(plan, steps=(NoteMove("start", None, "it is about to run here"),))
    left_s = PROVEN_S - (ran_s(memory, current, now) if current is not None else 0.0)
    again_at = now + timedelta(seconds=max(left_s, FILES_LOOK_S))
    return replace(plan, pending=True, again_at=min(plan.again_at or again_at, again_at))


def _ran_long(current: Container, memory: Memory, now: datetime) -> bool:
    if ran_s(memory, current, now) >= PROVEN_S:
        return True
    begun, ended = current.started_at, current.finished_at
    took = ended - begun if begun is not None and ended is not None else timedelta(0)
    return took >= timedelta(seconds=PROVEN_S)


def _trouble(
    plan: Plan, known: Taking, current: Container | None, memory: Memory
) -> str | None:
    failure = memory.failure
    if failure is not None and failure.at is not None and failure.at >= known.at:
        return failure.text
    if plan.refused or plan.lost:
        return plan.refused or plan.lost
    if current is None or current.started_at is None:
        return None
    if current.phase is Phase.RESTARTING or current.restart_count > 0 or died(current):
        return "it ends by itself soon after its start; its log there may say why"
    return None
