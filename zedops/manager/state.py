"""Holds the manager's knowledge in memory: the fleet with trusted states, and uncommitted changes.

No I/O and no clock of its own. The loop brings in commits and reports, and takes out the files
of the next commit and the hosts' documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import decide
from zedops.fleet.lifecycle import (
    due,
    fold,
    keep,
    lose,
    purges_data,
    put_off,
    reopen,
)
from zedops.manager import handover
from zedops.manager.answers import Answers
from zedops.manager.assignments import Assignments
from zedops.manager.commit_batch import Journal
from zedops.manager.desired import DesiredServers
from zedops.protocol.sync import DesiredDocument, Goal, ServerReport
from zedops.spec import document, edit, state_block
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH, Kind, kind_of, preset_path
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status
from zedops.system.ulid import new_id

#: A wrong clock dated a deletion that lies further ahead than this: its retention starts again.
_AHEAD = timedelta(minutes=5)


@dataclass
class Ledger:
    """The manager's knowledge. Not thread-safe: the loop holds one lock around it."""

    fleet: Fleet = field(default_factory=Fleet)
    #: The hub's identity, for the labels of containers; it tells fleets of one name apart.
    hub: str = ""
    #: The newest fleet that git has completely.
    committed_fleet: Fleet = field(default_factory=Fleet)
    _paths: dict[str, str] = field(default_factory=dict)
    desired: DesiredServers = field(default_factory=DesiredServers)
    journal: Journal = field(default_factory=Journal)
    _answers: Answers = field(default_factory=Answers)
    #: Servers with news that may have brought them to rest; the metrics read and clear this.
    dirty_ids: set[str] = field(default_factory=set)

    # --- commits come in

    def advance(
        self, new: Fleet, changed: Iterable[str], commits: Mapping[str, str], now: datetime
    ) -> None:
        """Take in a newer fleet."""
        old, files = self.fleet, set(changed)
        trusted = decide(old, new, files, lambda: new_id(now.timestamp()), now)
        self.fleet = new.with_documents(trusted)
        touched = files | trusted.keys()
        earlier = [old.documents[path] for path in touched if path in old.documents]
        before = {each.id: each for each in earlier if each.id}
        users = self.fleet.users(self.fleet.presets_since(old))
        for path in sorted(touched | users):
            after = self.fleet.documents.get(path)
            if after is not None and after.state is not None:
                self._note_problem(path, after)
                self._paths[after.state.id] = path
        for path in sorted(touched):
            self._compare(path, new.documents.get(path), before)
        if old.settings != new.settings:
            touched = set(self.fleet.documents)
            self._keep_to(old)
        self._drop_gone(before)
        if old.settings.defaults == new.settings.defaults:  # it changes no definition
            commits = {path: each for path, each in commits.items() if path != SETTINGS_PATH}
        self._refresh(touched | users, commits)
        if self.journal.empty:
            self.committed_fleet = self.fleet

    def _keep_to(self, old: Fleet) -> None:
        """Write the old settings' retention into tombstones that have none of their own."""
        for grave in list(self.fleet.tombstones()):
            if old.commit and grave.state is not None and grave.state.kept_until is None:
                self._set_state(grave, keep(grave.state, old.settings))

    def _note_problem(self, path: str, after: Document) -> None:
        """Say in a broken file's state that its last good definition goes on."""
        problems = self.fleet.resolve(after)[1] if kind_of(path) is Kind.SERVER else after.problems
        if after.state is None:
            return
        if not problems and not state_block.tells_of_a_broken_file(after.state.message):
            return
        state = after.state.model_copy(update={"message": state_block.broken_file(problems)})
        self.fleet = self.fleet.with_documents({path: replace(after, state=state)})

    def _compare(self, path: str, written: Document | None, before: dict[str, Document]) -> None:
        """Note in the journal how one path differs from git."""
        held = self.fleet.documents.get(path)
        if held is None:
            if written is not None:
                self.journal.touch(path)
            return
        if held.state is None or (written is not None and written.state == held.state):
            return
        self.journal.touch(path)
        known = before.get(held.state.id)
        was = known.state.status if known and known.state else None
        if was is not held.state.status or known is None:
            self.journal.add(held, was, urgent=True)

    def _drop_gone(self, before: Iterable[str]) -> None:
        """Forget servers whose id is in no file any more."""
        for server_id in before:
            if self._paths.get(server_id) not in self.fleet.documents:
                self._forget(server_id)

    def _refresh(self, paths: Iterable[str], commits: Mapping[str, str]) -> None:
        for path in paths:
            each = self.fleet.documents.get(path)
            if each is not None and each.id is not None and self._paths.get(each.id) == path:
                self._refresh_one(each, each.id, commits.get(path) or self._shared(each, commits))

    def _shared(self, each: Document, commits: Mapping[str, str]) -> str | None:
        """Find the commit that changed a definition's preset or the settings."""
        below = commits.get(preset_path(self.fleet.game(each) or ""))
        return below or commits.get(SETTINGS_PATH)

    def _refresh_one(
        self, each: Document, server_id: str, commit: str | None, *, defined: bool = True
    ) -> None:
        """Update one server in its host's document. Not `defined`: only the state is new."""
        self.dirty_ids.add(server_id)
        self.desired.refresh(self.fleet, each, server_id, commit, defined=defined)

    def _forget(self, server_id: str) -> None:
        self._paths.pop(server_id, None)
        self.desired.forget(server_id)
        self.dirty_ids.add(server_id)

    # --- reports come in

    def take(self, report: ServerReport, host: str) -> None:
        """Take a host's report of one server; ignore reports of another host's servers."""
        path, want = self._paths.get(report.id), self.desired.get(report.id)
        held = self.fleet.documents.get(path or "")
        if held is None or held.state is None:
            return
        if self.desired.hear(report, host):
            held, want = self._continue_move(held, held.state), self.desired.get(report.id)
        if want is None or held.state is None:
            return
        if self.assigned.host(report.id) != host or not self.desired.answers_end(want, report):
            return
        self.dirty_ids.add(report.id)
        self._answers.take(report)
        if want.goal is Goal.DELETED and kind_of(held.path) is Kind.SERVER:
            state = handover.left(self.fleet, self.desired, held, held.state, report)
            if state != held.state:
                self._settle(held, state, urgent=True)
            return
        report = self.desired.moves.unfinished(report)
        state = fold(held.state, report, want.goal).model_copy(update={"host": host})
        state = self.desired.moves.said_in(state)
        if state.message is None and held.problems:
            # the file is still broken, though the server came and went
            state = state.model_copy(update={"message": state_block.broken_file(held.problems)})
        if want.goal is Goal.PURGED and report.is_gone and report.data_exists is False:
            self._purge(held, state)
        elif state != held.state:
            self._settle(held, state)

    def _settle(self, held: Document, state: State, *, urgent: bool = False) -> None:
        """Note a state that follows from a report, and update the server in its document."""
        was = held.state.status if held.state else None
        updated = self._set_state(held, state)
        self.journal.add(updated, was, urgent=urgent)
        self._refresh_one(updated, state.id, None, defined=False)

    def _continue_move(self, held: Document, state: State) -> Document:
        """Ask both hosts of a move for their next parts."""
        self._refresh_one(held, state.id, None, defined=False)
        said = self.desired.moves.said_in(state)
        if said != state:
            self._settle(held, said)
        return self.fleet.documents[held.path]

    def deleted(self) -> set[str]:
        """Name the deleted servers."""
        return {
            each.state.id for each in self.fleet.tombstones()
            if each.state is not None and each.state.status is Status.DELETED
        }

    def find(self, host: str, server_id: str, now: datetime) -> bool:
        """Note a container on a host; False where no file of the fleet has its server.

        That of a deleted server is removed, as the deletion asked. Data is not touched.
        """
        held = self.server(server_id)
        if held is None or held.state is None:
            return False
        if held.state.status is Status.DELETED and held.state.host == host:
            self.dirty_ids.add(server_id)
            self._settle(held, reopen(held.state, now), urgent=True)
        return True

    def put_off(self, by: timedelta) -> None:
        """Extend every retention by a clock's leap forward, in which no time passed."""
        for grave in list(self.fleet.tombstones()):
            if grave.state is not None and grave.state.deleted_at is not None:
                self._set_state(grave, put_off(grave.state, by))

    def sweep(self, now: datetime) -> None:
        """End the retention of tombstones whose time has come.

        Their files go; with `purge_data` their hosts are first asked to remove the data.
        """
        asked = set()
        for grave in list(self.fleet.tombstones()):
            state = grave.state
            if state is None or state.status is not Status.DELETED or state.deleted_at is None:
                continue
            if state.deleted_at > now + _AHEAD:
                self._set_state(grave, put_off(state, now - state.deleted_at))
                continue
            ends = due(state, self.fleet.settings)
            if ends is None or now < ends:
                continue
            if grave.definition is not None and grave.definition.purge is not None:
                continue  # its host was asked to remove the data and has not done so yet
            if not purges_data(state, self.fleet.settings):
                self._purge(grave, state)
            elif grave.definition is not None:
                content = state_block.render(edit.set_field(grave, "purge", "data"), state)
                self.fleet = self.fleet.with_documents(
                    {grave.path: replace(document.parse(grave.path, content), state=state)}
                )
                self.journal.touch(grave.path)
                asked.add(grave.path)
        self._refresh(asked, {})

    def _purge(self, grave: Document, state: State) -> None:
        self.fleet = self.fleet.with_documents({grave.path: None})
        self._forget(state.id)
        self.journal.add_purge(grave, state)

    def lose(self, host: str, at: datetime) -> None:
        """Note that a host does not answer."""
        for server_id in self.desired.moves.lose(host):
            if (waiting := self.server(server_id)) is not None:
                self._refresh_one(waiting, server_id, None, defined=False)
        for server_id in self.assigned.servers(host):
            held = self.server(server_id)
            if held is None or held.state is None:
                continue
            state = lose(held.state, host, at, purges=self.desired.purges(server_id))
            if state != held.state:
                self.dirty_ids.add(server_id)
                self.journal.add(self._set_state(held, state), held.state.status)

    def _set_state(self, held: Document, state: State) -> Document:
        updated = replace(held, state=state)
        self.fleet = self.fleet.with_documents({held.path: updated})
        self.journal.touch(held.path)
        return updated

    # --- commits go out

    def committed(self, commit: str, at_s: float) -> None:
        """Note that git has everything at `commit`; `at_s` is of a monotonic clock."""
        self.fleet = self.committed_fleet = replace(self.fleet, commit=commit)
        self.journal.clear(at_s)

    # --- documents go out

    def document(self, host: str) -> DesiredDocument:
        """Make a host's whole document."""
        return self.desired.document(host, self.fleet.settings.name, self.hub)

    def server(self, server_id: str) -> Document | None:
        """Find a server's document by id."""
        return self.fleet.documents.get(self._paths.get(server_id, ""))

    def at_rest(self, server_id: str) -> bool:
        """Say whether its host has done all that the newest definition asks for."""
        if server_id in self.journal or self.desired.moves.is_under_way(server_id):
            return False  # a pull after the push must find the state in git
        want, each = self.desired.get(server_id), self.server(server_id)
        status = each.state.status if each and each.state else Status.DELETED
        return want is None or self._answers.is_done(want, status)

    @property
    def assigned(self) -> Assignments:
        """The hosts of servers."""
        return self.desired.assigned

    @property
    def settings(self) -> Settings:
        """The fleet's settings."""
        return self.fleet.settings
