"""What zedops writes into commit messages can be read back, whatever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import NOW, later, running, server_id
from zedops.fleet.audit import Transition, transition, write_message
from zedops.fleet.trailers import read_trailers
from zedops.spec.state import Status

MOVED = Transition(
    "rosewood", server_id(1), "attic", (None, Status.CREATING, Status.RUNNING), "3f2a1c9",
    "recovered",
)  # fmt: skip


def test_a_message_says_what_happened_why_and_to_whom() -> None:
    assert write_message([MOVED]) == f"""\
rosewood: creating → running

rosewood: recovered

Zedops-Server: rosewood {server_id(1)}
Zedops-Host: attic
Zedops-Transition: creating → running
Zedops-Commit: 3f2a1c9
"""


def test_a_message_says_when_each_status_began_on_the_host() -> None:
    moved = transition(
        "rosewood", [Status.UNKNOWN, Status.MISSING, Status.RUNNING], running(1),
        times=[NOW, later(3)],
    )
    (told,) = read_trailers(write_message([moved]))
    assert told["transition"] == "unknown → missing → running"
    assert told["at"] == "2026-11-23T10:00:00Z 2026-11-23T10:00:03Z"


def test_the_subject_names_three_servers_and_counts_the_rest() -> None:
    many = [Transition(name, server_id(1), "", (Status.RUNNING,)) for name in "dcbae"]
    subject = write_message(many).splitlines()[0]
    assert subject == "a: running; b: running; c: running; and 2 more"


def test_a_purge_is_called_that() -> None:
    gone = transition("rosewood", [Status.DELETED], running(1), purged=True)
    assert write_message([gone]).splitlines()[0] == "rosewood: purged"


def test_a_status_that_did_not_change_is_written_once() -> None:
    path = (Status.RUNNING, Status.RUNNING, Status.STOPPED, Status.STOPPED, Status.RUNNING)
    assert Transition("a", "1", "", path).steps() == "running → stopped → running"


def test_a_message_of_a_server_cannot_forge_a_trailer() -> None:
    forged = f"x\nZedops-Server: other {server_id(9)}\nZedops-Transition: deleted"
    moved = transition("a", [Status.RUNNING], running(1, message=forged))
    assert [each["server"] for each in read_trailers(write_message([moved]))] == ["a"]


_NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
_MOVES = st.builds(
    Transition, server=_NAMES, server_id=st.integers(0, 99).map(server_id), host=_NAMES,
    path=st.lists(st.sampled_from(Status), min_size=1, max_size=4).map(tuple),
    commit=st.from_regex(r"[0-9a-f]{7}", fullmatch=True), message=st.one_of(st.none(), st.text()),
)  # fmt: skip


@given(st.lists(_MOVES, min_size=1, max_size=6))
def test_every_transition_is_read_back_as_it_was_written(moves: list[Transition]) -> None:
    assert read_trailers(write_message(moves)) == [
        {"server": each.server, "id": each.server_id, "host": each.host,
         "transition": each.steps(), "commit": each.commit}
        for each in sorted(moves, key=lambda each: each.server)
    ]  # fmt: skip
