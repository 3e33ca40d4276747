"""The steps that all acts share: edit, commit, push, wait."""

from __future__ import annotations

import time

import click

from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.control.hosts import is_managed
from zedops.errors import HostUnavailable, Interrupted, ZedopsError
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


def ask(question: str, *, yes: bool) -> None:
    """Ask for confirmation; `--yes` skips the question."""
    if not yes:
        click.confirm(question, abort=True)


def act(
    clone: Clone, made: Act, name: str, *, wait: bool, ends: bool = False
) -> None:
    """Commit and push; with `wait`, wait until the server is at rest.

    `ends`: the act removes the server, so that deleted or purged is a success.
    """
    commit = clone.act(made.files, made.message, made.options)
    if wait:
        try:
            wait_for(clone, name, commit, ends=ends)
        except KeyboardInterrupt:
            look = "`zedops list` shows how far it is"
            raise Interrupted(f"{made.message}: pushed, and goes on without you; {look}") from None


def wait_for(clone: Clone, name: str, commit: str | None, *, ends: bool = False) -> None:
    """Wait until a server's state names a commit and is at rest; print each status on the way.

    Without a commit, any state at rest ends the wait. ZedopsError if the act fails or is undone.
    """
    deadline = time.monotonic() + _WAIT_MAX_S
    begun = time.time()
    pause_s = _POLL_FAR_S if clone.origin.path() is None else _POLL_S
    seen: Status | None = None
    server_id: str | None = None
    while time.monotonic() < deadline:
        if not is_managed(clone):
            remedy = "the change is pushed and happens once one runs: `zedops up`"
            fact = "no manager runs, so there is nothing to wait for"
            raise HostUnavailable(f"{name}: {fact}; {remedy}")
        clone.fetch()
        fleet = clone.read_server(name)
        each = _find(fleet, name)
        # an upstream gives no answer of its own: a state from before the push does not count
        answered = commit is None or clone.is_answered(commit)
        if each is None and answered:
            each = _elsewhere(clone, name, server_id, ends=ends)
            if each is None:
                click.echo(f"{name} is purged")
                return
            name = each.name
        state = each.state if each is not None else None
        server_id = state.id if state else server_id
        if answered and each and state:
            _check_goes(each, state, ends=ends)
        wished = _wished(each, fleet.settings) if each else None
        if each and state and _is_done(each, state, commit, begun if answered else None, wished):
            click.echo(f"{name} {state.status}")
            if state.status in (Status.FAILED, Status.MISSING):
                raise ZedopsError(f"{name}: {state.message or f'it is {state.status}'}")
            return
        if state is not None and state.status is not seen:
            seen = state.status
            click.echo(f"{name} {seen} …", err=True)
        time.sleep(pause_s)
    fact = f"{name} is still not at rest after {_WAIT_MAX_S / 60:.0f} min; it goes on"
    raise ZedopsError(f"{fact}; `zedops list` shows how far it is")


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
