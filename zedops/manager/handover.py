"""Continues a move to another host, by the reports of both hosts. No I/O, no clock."""

from __future__ import annotations

from zedops.fleet.fleet import Fleet
from zedops.fleet.lifecycle import fold, move
from zedops.manager.desired import DesiredServers
from zedops.protocol.sync import Goal, ServerReport
from zedops.spec.document import Document
from zedops.spec.state import State


def left(
    fleet: Fleet, desired: DesiredServers, held: Document, before: State, report: ServerReport
) -> State:
    """Fold the report of a host that a server leaves; the next host acts once it is gone."""
    state = fold(before, report, Goal.STOPPED)
    if desired.moves.is_under_way(before.id):
        host = desired.moves.goes_to(before.id, report)
        return state if host is None else move(state, host, report.at)
    definition = held.definition
    brings = definition is not None and definition.moved_from == before.host
    if report.is_gone and definition and (brings or report.data_exists is False):
        return move(state, fleet.host_of(held), report.at)
    return state
