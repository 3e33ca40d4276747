"""Keeps what the manager asks of each host: its servers, as definitions and goals.

No I/O, no clock, and no states: `state` decides what a report means.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zedops.fleet.fleet import Fleet, desired_server
from zedops.fleet.lifecycle import SETTLED
from zedops.manager.assignments import Assignments
from zedops.manager.moves import Moves
from zedops.protocol.sync import DesiredDocument, DesiredServer, Goal, ServerReport
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.state import Status


@dataclass
class DesiredServers:
    """The servers of every host's document."""

    assigned: Assignments = field(default_factory=Assignments)
    moves: Moves = field(default_factory=Moves)
    _desired: dict[str, DesiredServer] = field(default_factory=dict)
    #: The servers whose worlds another host fetches, as that host is asked for them.
    _guests: dict[str, DesiredServer] = field(default_factory=dict)
    #: Without the parts of moves.
    _plain: dict[str, DesiredServer] = field(default_factory=dict)
    #: The first document, by epoch and revision, that asked a host for a server's present goal.
    _asked: dict[str, tuple[int, int]] = field(default_factory=dict)

    def get(self, server_id: str) -> DesiredServer | None:
        """Return what a server's host is asked for; None for an unknown server."""
        return self._desired.get(server_id)

    def refresh(
        self, fleet: Fleet, each: Document, server_id: str, commit: str | None,
        *, defined: bool = True,
    ) -> None:
        """Update one server in its host's document. Not `defined`: only the state is new."""
        before, state = self._desired.get(server_id), each.state
        if state is None:
            return
        at_rest = state.status in SETTLED and state.status is not Status.FAILED
        told = before.commit if before else state.commit if at_rest else None
        like = before if not defined and each.definition is not None else None
        want = desired_server(fleet, each, commit or told or fleet.commit[:7], like)
        if want is None and (each.problems or kind_of(each.path) is Kind.SERVER):
            want = self._last_good(self._plain.get(server_id), each)
        guest = None
        if want is not None:
            self._plain[server_id] = want
            want, guest = self.moves.shape(fleet, each, want)
        self._invite(server_id, guest)
        host, known = fleet.place(each)[0], self.assigned.host(server_id)
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
        if host is not None:
            self.moves.ask(server_id, self.assigned.stamp(host))

    def _invite(self, server_id: str, guest: tuple[str, DesiredServer] | None) -> None:
        """Have the new host of a move fetch the world."""
        host, want = guest or (None, None)
        before = self._guests.pop(server_id, None)
        known = self.assigned.invite(server_id, host)
        if want is not None:
            self._guests[server_id] = want
        if want is None or before is None or host != known or not _same_wish(want, before):
            self.assigned.touch(known, host)

    def hear(self, report: ServerReport, host: str) -> bool:
        """Take what a host says of a move; False if it says nothing new."""
        hosts = (self.assigned.host(report.id), self.assigned.guest(report.id))
        return host in hosts and self.moves.take(report, host)

    def forget(self, server_id: str) -> None:
        """Take a server out of its host's document."""
        self._desired.pop(server_id, None)
        self._asked.pop(server_id, None)
        self._plain.pop(server_id, None)
        self._invite(server_id, None)
        self.assigned.touch(self.assigned.assign(server_id, None))

    def _last_good(self, before: DesiredServer | None, each: Document) -> DesiredServer | None:
        if before is None or kind_of(each.path) is Kind.SERVER:
            return before
        return before.model_copy(update={"goal": Goal.DELETED})

    def answers_end(self, want: DesiredServer, report: ServerReport) -> bool:
        """Say whether a report may answer a requested end of the server.

        A host that was cut off may report from before it heard of a deletion. Its "no container"
        then does not confirm the deletion. Hosts of earlier releases do not name their document.
        """
        if not want.goal.ends:
            return True
        if report.under is None:
            return report.goal is None or report.goal.ends
        return report.under >= self._asked.get(want.id, (0, 0))

    def purges(self, server_id: str) -> bool:
        """Say whether a host is asked to remove a server's data."""
        want = self._desired.get(server_id)
        return want is not None and want.goal is Goal.PURGED

    def document(self, host: str, fleet: str, hub: str) -> DesiredDocument:
        """Make a host's whole document, for the fleet of this name and the hub of this identity."""
        epoch, rev = self.assigned.stamp(host)
        ids = self.assigned.servers(host)
        servers = {each: self._desired[each] for each in ids if each in self._desired}
        servers |= {each: self._guests[each] for each in self.assigned.guests(host)}
        return DesiredDocument(
            fleet=fleet, host=host, epoch=epoch, rev=rev,
            hub=hub or None, servers=servers,
        )


def _same_wish(one: DesiredServer, other: DesiredServer) -> bool:
    """Compare two desired servers, apart from their commits and observed facts."""
    facts = {key: getattr(one, key) for key in ("commit", "created", "data_expected")}
    return one == other.model_copy(update=facts)
