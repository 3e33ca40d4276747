"""A report counts for what its host was asked when it looked: an old one ends no deletion."""

from __future__ import annotations

import pytest

from tests.pure.fleets import NOW, as_pushed, doc, fleet_of, later, running, server_id
from zedops.fleet.fleet import Fleet
from zedops.manager.state import Ledger
from zedops.protocol.sync import ContainerFacts, Goal, ServerReport
from zedops.spec import state_block
from zedops.spec.settings import Settings
from zedops.spec.state import Status

ID = server_id(1)
PATH, GRAVE = "servers.d/rosewood.yaml", "tombstones.d/rosewood.yaml"
UP = ContainerFacts(id="c" * 64, running=True, image="sha256:bb")
SETTINGS = Settings(name="fleet", hosts=("local", "attic"), defaults={"host": "local"})


def begin(epoch: int = 7) -> Ledger:
    """Lead a fleet with one server that runs."""
    ledger = Ledger()
    ledger.assigned.epoch = epoch
    fleet = fleet_of(doc(PATH, "image: a\n", running(1)), settings=SETTINGS)
    ledger.advance(Fleet("a" * 40, SETTINGS, fleet.documents), fleet.documents, {}, NOW)
    return ledger


def push(ledger: Ledger, changes: dict[str, bytes | None]) -> None:
    new = as_pushed(ledger.fleet, changes)
    ledger.advance(
        Fleet("d" * 40, SETTINGS, new.documents), changes, dict.fromkeys(changes, "d1"), NOW
    )


def gone(goal: Goal | None, under: tuple[int, int] | None) -> ServerReport:
    return ServerReport(
        id=ID, at=later(60), about="3f2a1c9", goal=goal, under=under, data_exists=False
    )


def status(ledger: Ledger) -> Status | None:
    held = ledger.server(ID)
    return held.state.status if held and held.state else None


def test_no_container_before_a_deletion_was_known_does_not_end_it() -> None:
    ledger = begin()
    before = ledger.document("local").stamp
    push(ledger, {PATH: None})
    asked = ledger.document("local")
    assert asked.servers[ID].goal is Goal.DELETED
    ledger.take(gone(Goal.RUNNING, before), "local")
    assert status(ledger) is Status.DELETING
    assert ledger.document("local").servers[ID].goal is Goal.DELETED
    ledger.take(gone(Goal.DELETED, asked.stamp), "local")
    assert status(ledger) is Status.DELETED


def test_the_end_of_an_earlier_deletion_does_not_end_the_next_one() -> None:
    ledger = begin()
    text = state_block.render("image: a\n", running(1))
    push(ledger, {PATH: None})
    first = ledger.document("local").stamp
    push(ledger, {PATH: text, GRAVE: None})
    assert status(ledger) is Status.PENDING
    push(ledger, {PATH: None})
    ledger.take(gone(Goal.DELETED, first), "local")
    assert status(ledger) is Status.DELETING
    ledger.take(gone(Goal.DELETED, ledger.document("local").stamp), "local")
    assert status(ledger) is Status.DELETED


def test_what_was_told_to_an_earlier_manager_is_asked_again() -> None:
    first = begin(epoch=7)
    push(first, {PATH: None})
    told = first.document("local").stamp
    second = Ledger()
    second.assigned.epoch = 8
    fleet = Fleet("d" * 40, SETTINGS, first.fleet.documents)
    second.advance(fleet, fleet.documents, {}, NOW)
    second.take(gone(Goal.DELETED, told), "local")
    assert status(second) is Status.DELETING
    second.take(gone(Goal.DELETED, second.document("local").stamp), "local")
    assert status(second) is Status.DELETED


def test_a_purge_is_not_over_before_its_host_has_heard_of_it() -> None:
    ledger = begin()
    before = ledger.document("local").stamp
    push(ledger, {PATH: None, GRAVE: b"image: a\npurge: data\nstate:\n  id: %s\n" % ID.encode()})
    ledger.take(gone(Goal.RUNNING, before), "local")
    assert ledger.server(ID) is not None


def test_a_server_moves_when_the_host_before_has_let_go_of_it_and_not_earlier() -> None:
    ledger = begin()
    ledger.take(gone(Goal.RUNNING, None), "local")
    before = ledger.document("local").stamp
    push(ledger, {PATH: state_block.render("image: a\nhost: attic\n", running(1))})
    ledger.take(gone(Goal.RUNNING, before), "local")
    assert ledger.assigned.host(ID) == "local"
    ledger.take(gone(Goal.DELETED, ledger.document("local").stamp), "local")
    assert ledger.assigned.host(ID) == "attic"


@pytest.mark.parametrize(
    ("goal", "after"),
    [(Goal.RUNNING, Status.DELETING), (Goal.DELETED, Status.DELETED), (None, Status.DELETED)],
)
def test_a_host_of_an_earlier_release_is_believed_by_its_goal(
    goal: Goal | None, after: Status
) -> None:
    ledger = begin()
    push(ledger, {PATH: None})
    ledger.take(gone(goal, None), "local")
    assert status(ledger) is after


def test_a_container_of_a_deleted_server_is_removed_after_all() -> None:
    ledger = begin()
    push(ledger, {PATH: None})
    ledger.take(gone(Goal.DELETED, ledger.document("local").stamp), "local")
    assert ledger.deleted() == {ID}
    assert ID not in ledger.document("local").servers
    assert ledger.find("local", ID, later(90))
    assert status(ledger) is Status.DELETING
    asked = ledger.document("local")
    assert asked.servers[ID].goal is Goal.DELETED
    ledger.take(gone(Goal.DELETED, asked.stamp), "local")
    assert status(ledger) is Status.DELETED


def test_a_container_that_no_file_names_is_told_and_asks_for_nothing() -> None:
    ledger = begin()
    before = ledger.document("local")
    assert not ledger.find("local", server_id(2), NOW)
    assert ledger.find("local", ID, NOW)
    assert ledger.document("local") == before
