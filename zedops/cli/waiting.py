"""Waits until servers are at rest after an act, and says what came of it: one line for each."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from zedops.clone.clone import Clone
from zedops.control.hosts import is_managed
from zedops.errors import HostUnavailable, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.fleet.lifecycle import SETTLED
from zedops.protocol.remarks import NOT_APPLIED
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.model import Desired, Drift
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status
from zedops.spec.state_block import tells_of_a_broken_file

_POLL_S = 0.5
#: A remote on the network also serves others: ask it less often.
_POLL_FAR_S = 2.0
_WAIT_MAX_S = 1800.0
#: Statuses at rest that contradict the desired state: the wait goes on.
_UNLIKE = {Desired.RUNNING: Status.STOPPED, Desired.STOPPED: Status.RUNNING}


def wait_for(clone: Clone, name: str, commit: str | None, *, ends: bool = False) -> None:
    """Wait for one server, as `wait_for_all` does."""
    wait_for_all(clone, {name: commit}, ends=ends)


def wait_for_all(
    clone: Clone, commits: Mapping[str, str | None], *, ends: bool = False
) -> None:
    """Wait until each server's state names its commit and is at rest; print each status.

    Without a commit, any state at rest ends the wait. ZedopsError, after the last server is at
    rest, if an act failed or was undone.
    """
    begun = time.time()
    deadline = time.monotonic() + _WAIT_MAX_S
    pause_s = _POLL_FAR_S if clone.origin.path() is None else _POLL_S
    waits = [_Wait(name, commit, begun, ends=ends) for name, commit in commits.items()]
    failed: list[str] = []
    while True:
        if not is_managed(clone):
            names = ", ".join(each.name for each in waits)
            remedy = "the change is pushed and happens once one runs: `zedops up`"
            fact = "no manager runs, so there is nothing to wait for"
            raise HostUnavailable(f"{names}: {fact}; {remedy}")
        clone.fetch()
        fleet = clone.read_servers([each.name for each in waits])
        # an upstream gives no answer of its own: a state from before the push does not count
        open_commits = {each.commit for each in waits}
        answered = {each for each in open_commits if each is None or clone.is_answered(each)}
        waits = [each for each in waits if not _is_over(each, clone, fleet, answered, failed)]
        if not waits:
            break
        if time.monotonic() > deadline:
            late = f"is still not at rest after {_WAIT_MAX_S / 60:.0f} min; it goes on"
            look = "`zedops list` shows how far it is"
            failed += [f"{each.name} {late}; {look}" for each in waits]
            break
        time.sleep(pause_s)
    if failed:
        raise ZedopsError("\n".join(failed))


def _is_over(
    each: _Wait, clone: Clone, fleet: Fleet, answered: set[str | None], failed: list[str]
) -> bool:
    """Look at one server; note why its act failed."""
    try:
        return each.look(clone, fleet, answered=each.commit in answered)
    except ZedopsError as error:
        failed.append(str(error))
        return True


class _Wait:
    """What is known of one server while it is waited for."""

    def __init__(self, name: str, commit: str | None, begun: float, *, ends: bool) -> None:
        self.name, self.commit, self._begun, self._ends = name, commit, begun, ends
        self._seen: Status | None = None
        self._server_id: str | None = None

    def look(self, clone: Clone, fleet: Fleet, *, answered: bool) -> bool:
        """Say whether the wait is over. ZedopsError if the act failed or was undone."""
        each = _find(fleet, self.name)
        if each is None and answered:
            each = _elsewhere(clone, self.name, self._server_id, ends=self._ends)
            if each is None:
                click.echo(f"{self.name} is purged")
                return True
            self.name = each.name
        state = each.state if each is not None else None
        if each is None or state is None:
            return False
        self._server_id = state.id or self._server_id
        if answered:
            _check_goes(each, state, ends=self._ends)
        wished = _wished(each, fleet.settings)
        if _is_done(each, state, self.commit, self._begun if answered else None, wished):
            click.echo(f"{self.name} {state.status}")
            if state.status in (Status.FAILED, Status.MISSING):
                raise ZedopsError(f"{self.name}: {state.message or f'it is {state.status}'}")
            return True
        if state.status is not self._seen:
            self._seen = state.status
            click.echo(f"{self.name} {self._seen} …", err=True)
        return False


def _elsewhere(
    clone: Clone, name: str, server_id: str | None, *, ends: bool
) -> Document | None:
    """Find a renamed server by its id; None if the act removed it. ZedopsError if others did."""
    renamed = clone.fleet().owner(server_id) if server_id else None
    if renamed is None and not ends:
        fact = "its file is gone: it was deleted and purged meanwhile"
        raise ZedopsError(f"{name}: {fact}; `zedops history {name}` says by whom")
    return renamed


def _check_goes(each: Document, state: State, *, ends: bool) -> None:
    """Raise ZedopsError if zedops keeps the older definition, or if a deletion undid the push."""
    if tells_of_a_broken_file(state.message):
        raise ZedopsError(state.message)
    if not ends and kind_of(each.path) is Kind.TOMBSTONE:
        remedy = f"`zedops restore {each.name}` brings it back"
        raise ZedopsError(f"{each.name} was deleted meanwhile; {remedy}")


def _is_done(
    each: Document, state: State, commit: str | None, begun: float | None, wished: Desired | None
) -> bool:
    """Say whether a state ends the wait; `begun` is None until the manager has answered."""
    if state.status not in SETTLED:
        return False
    if state.status is Status.DELETED:
        purges = each.definition is not None and each.definition.purge is not None
        is_tombstone = kind_of(each.path) is Kind.TOMBSTONE
        return begun is not None and is_tombstone and not purges
    if commit is None or (state.commit is not None and commit.startswith(state.commit)):
        # a stopped server that should run is between two crashes, or about to start
        return wished is None or state.status is not _UNLIKE[wished]
    if state.status is Status.MISSING and state.data_lost:
        return True  # the server stays missing until a person brings the data back
    rests = state.status is Status.STOPPED and (state.message or "").startswith(NOT_APPLIED)
    if (state.status is not Status.FAILED and not rests) or state.since is None or begun is None:
        return False
    return state.since.timestamp() >= begun - 60


def _wished(each: Document, settings: Settings) -> Desired | None:
    """Return the state that zedops enforces; None if `drift: report` leaves a server as it is."""
    if each.definition is None or (each.definition.drift or settings.drift) is Drift.REPORT:
        return None
    return each.definition.desired


def _find(fleet: Fleet, name: str) -> Document | None:
    every = [*fleet.servers(), *fleet.tombstones()]
    return next((each for each in every if each.name == name), None)
