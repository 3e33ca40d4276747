"""Keeps each host's newest word on the work for a server, and tells when that work is done.

Facts about containers and data are in the server's state, not here.
"""

from __future__ import annotations

from typing import NamedTuple

from zedops.protocol.sync import DesiredServer, Goal, ServerReport
from zedops.spec.state import Status


class _Answer(NamedTuple):
    about: str
    goal: Goal | None
    is_busy: bool
    has_failed: bool


class Answers:
    """The newest answer for each server."""

    def __init__(self) -> None:
        self._newest: dict[str, _Answer] = {}

    def take(self, report: ServerReport) -> None:
        """Keep the answer in a report."""
        failed, busy = report.failure is not None, report.activity is not None
        self._newest[report.id] = _Answer(report.about, report.goal, busy, failed)

    def is_done(self, want: DesiredServer, status: Status) -> bool:
        """Say whether a host has done, or given up, all that it is asked for."""
        answer = self._newest.get(want.id)
        if status is Status.DELETED and want.goal is Goal.DELETED:
            return True
        if answer is None or answer.about != want.commit or answer.is_busy:
            return False
        if answer.goal not in (None, want.goal):
            return False
        if answer.has_failed:
            return True
        wished = Status.RUNNING if want.goal is Goal.RUNNING else Status.STOPPED
        return status in (wished, Status.MISSING) and not want.goal.ends
