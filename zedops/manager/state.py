"""Holds the manager's knowledge in memory: the fleet with trusted states, and uncommitted changes.

No I/O and no clock of its own. The loop brings in commits and reports, and takes out the files
of the next commit and the hosts' documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from zedops.errors import Problem
from zedops.fleet.fleet import Fleet, desired_server
from zedops.fleet.identity import decide
from zedops.fleet.lifecycle import (
    SETTLED,
    due,
    fold,
    keep,
    lose,
    move,
    purges_data,
    put_off,
    reopen,
)
from zedops.manager.assignments import Assignments
from zedops.manager.commit_batch import Journal
from zedops.protocol.sync import DesiredDocument, DesiredServer, Goal, ServerReport
from zedops.spec import document, edit, state_block
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH, Kind, kind_of, preset_path
from zedops.spec.settings import Settings
from zedops.spec.state import State, Status
from zedops.system.ulid import new_id

#: A wrong clock dated a deletion that lies further ahead than this: its retention starts again.
_AHEAD = timedelta(minutes=5)


class _Answer(NamedTuple):
    """The newest report's word on the work for a server; the facts are in the server's state."""

    about: str
    goal: Goal | None
    is_busy: bool
    has_failed: bool


@dataclass
class Ledger:
    """The manager's knowledge. Not thread-safe: the loop holds one lock around it."""

    fleet: Fleet = field(default_factory=Fleet)
    #: The hub's identity, for the labels of containers; it tells fleets of one name apart.
    hub: str = ""
    #: The newest fleet that git has completely.
    committed_fleet: Fleet = field(default_factory=Fleet)
    _paths: dict[str, str] = field(default_factory=dict)
    _desired: dict[str, DesiredServer] = field(default_factory=dict)
    assigned: Assignments = field(default_factory=Assignments)
    journal: Journal = field(default_factory=Journal)
    _answers: dict[str, _Answer] = field(default_factory=dict)
    #: The first document, by epoch and revision, that asked a host for a server's present goal.
    _asked: dict[str, tuple[int, int]] = field(default_factory=dict)
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
        if after.state is None or (not problems and not _is_problem(after.state.message)):
            return
        state = after.state.model_copy(update={"message": _problem(problems)})
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
        before, state = self._desired.get(server_id), each.state
        self.dirty_ids.add(server_id)
        if state is None:
            return
        at_rest = state.status in SETTLED and state.status is not Status.FAILED
        told = before.commit if before else state.commit if at_rest else None
        like = before if not defined and each.definition is not None else None
        want = desired_server(self.fleet, each, commit or told or self.fleet.commit[:7], like)
        if want is None and (each.problems or kind_of(each.path) is Kind.SERVER):
            want = self._last_good(before, each)
        host, known = self.fleet.place(each)[0], self.assigned.host(server_id)
        tries_again = state.status is Status.FAILED and commit is not None
        same = want is not None and before is not None and _same_wish(want, before)
        if want and same and host in (known, None) and not tries_again:
            # a comment, or zedops' own facts: nothing to do, the commit stays
            self._desired[server_id] = want.model_copy(update={"commit": told})
            return
        if want is not None:
            self._desired[server_id] = want
        elif self._desired.pop(server_id, None) is None:
            return
        if host is not None:
            self.assigned.assign(server_id, host)
        self.assigned.touch(known, host)
        is_new = before is None or want is None or before.goal is not want.goal or host != known
        if is_new and host is not None:
            self._asked[server_id] = self.assigned.stamp(host)

    def _forget(self, server_id: str) -> None:
        self._paths.pop(server_id, None)
        self._desired.pop(server_id, None)
        self._asked.pop(server_id, None)
        self.dirty_ids.add(server_id)
        self.assigned.touch(self.assigned.assign(server_id, None))

    def _last_good(self, before: DesiredServer | None, each: Document) -> DesiredServer | None:
        if before is None or kind_of(each.path) is Kind.SERVER:
            return before
        return before.model_copy(update={"goal": Goal.DELETED})

    # --- reports come in

    def take(self, report: ServerReport, host: str) -> None:
        """Take a host's report of one server; ignore reports of another host's servers."""
        path, want = self._paths.get(report.id), self._desired.get(report.id)
        held = self.fleet.documents.get(path or "")
        if want is None or held is None or held.state is None:
            return
        if self.assigned.host(report.id) != host or not self._answers_end(want, report):
            return
        self.dirty_ids.add(report.id)
        failed, busy = report.failure is not None, report.activity is not None
        self._answers[report.id] = _Answer(report.about, report.goal, busy, failed)
        if want.goal is Goal.DELETED and kind_of(held.path) is Kind.SERVER:
            self._take_leaving(held, held.state, report)
            return
        state = fold(held.state, report, want.goal).model_copy(update={"host": host})
        if state.message is None and held.problems:
            # the file is still broken, though the server came and went
            state = state.model_copy(update={"message": _problem(held.problems)})
        if want.goal is Goal.PURGED and _is_gone(report) and report.data_exists is False:
            self._purge(held, state)
        elif state != held.state:
            self._settle(held, state)

    def _answers_end(self, want: DesiredServer, report: ServerReport) -> bool:
        """Say whether a report may answer a requested end of the server.

        A host that was cut off may report from before it heard of a deletion. Its "no container"
        then does not confirm the deletion. Hosts of earlier releases do not name their document.
        """
        if not want.goal.ends:
            return True
        if report.under is None:
            return report.goal is None or report.goal.ends
        return report.under >= self._asked.get(want.id, (0, 0))

    def _settle(self, held: Document, state: State, *, urgent: bool = False) -> None:
        """Note a state that follows from a report, and update the server in its document."""
        was = held.state.status if held.state else None
        updated = self._set_state(held, state)
        self.journal.add(updated, was, urgent=urgent)
        self._refresh_one(updated, state.id, None, defined=False)

    def _take_leaving(self, held: Document, before: State, report: ServerReport) -> None:
        """Continue a move to another `host`: the server leaves the old host first."""
        state = fold(before, report, Goal.STOPPED)
        definition = held.definition
        brings = definition is not None and definition.moved_from == before.host
        if _is_gone(report) and definition and (brings or report.data_exists is False):
            state = move(state, self.fleet.host_of(held), report.at)
        if state != before:
            self._settle(held, state, urgent=True)

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
        for server_id in self.assigned.servers(host):
            held = self.server(server_id)
            if held is None or held.state is None:
                continue
            state = lose(held.state, host, at, purges=self._purges(server_id))
            if state != held.state:
                self.dirty_ids.add(server_id)
                self.journal.add(self._set_state(held, state), held.state.status)

    def _purges(self, server_id: str) -> bool:
        want = self._desired.get(server_id)
        return want is not None and want.goal is Goal.PURGED

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
        epoch, rev = self.assigned.stamp(host)
        ids = self.assigned.servers(host)
        servers = {each: self._desired[each] for each in ids if each in self._desired}
        return DesiredDocument(
            fleet=self.fleet.settings.name, host=host, epoch=epoch, rev=rev,
            hub=self.hub or None, servers=servers,
        )

    def server(self, server_id: str) -> Document | None:
        """Find a server's document by id."""
        return self.fleet.documents.get(self._paths.get(server_id, ""))

    def at_rest(self, server_id: str) -> bool:
        """Say whether its host has done all that the newest definition asks for."""
        want, answer, each = (
            self._desired.get(server_id), self._answers.get(server_id), self.server(server_id)
        )
        status = each.state.status if each and each.state else Status.DELETED
        if server_id in self.journal:
            return False  # a pull after the push must find the state in git
        if want is None or (status is Status.DELETED and want.goal is Goal.DELETED):
            return True
        if answer is None or answer.about != want.commit or answer.is_busy:
            return False
        if answer.goal not in (None, want.goal):
            return False
        if answer.has_failed:
            return True
        wished = Status.RUNNING if want.goal is Goal.RUNNING else Status.STOPPED
        return status in (wished, Status.MISSING) and not want.goal.ends

    @property
    def settings(self) -> Settings:
        """The fleet's settings."""
        return self.fleet.settings


def _is_gone(report: ServerReport) -> bool:
    """Say whether a host saw that it has no container of a server left."""
    return report.activity is None and report.failure is None and report.container is None


def _problem(problems: Sequence[Problem]) -> str | None:
    """Say in one line why a file is broken, and that the server goes on."""
    return f"{state_block.brief(str(problems[0]))} {state_block.GOES_ON}" if problems else None


def _is_problem(message: str | None) -> bool:
    return bool(message) and str(message).endswith(state_block.GOES_ON)


def _same_wish(one: DesiredServer, other: DesiredServer) -> bool:
    """Compare two desired servers, apart from their commits and observed facts."""
    facts = {key: getattr(one, key) for key in ("commit", "created", "data_expected")}
    return one == other.model_copy(update=facts)
