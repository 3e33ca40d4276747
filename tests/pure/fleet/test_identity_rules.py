"""Which server a file is: ids belong to servers, whatever people do with the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pure.fleets import NOW, as_pushed, counter, doc, fleet_of, later, running, server_id
from zedops.fleet.checks import check
from zedops.fleet.fleet import Fleet
from zedops.fleet.identity import carry_over_states, void_ids
from zedops.fleet.lifecycle import mark_deleted
from zedops.spec.document import Document
from zedops.spec.state import State, Status
from zedops.spec.state_block import render

A, B, C = "servers.d/a.yaml", "servers.d/b.yaml", "servers.d/c.yaml"
GRAVE = "tombstones.d/a.yaml"


def push(old: Fleet, changes: Mapping[str, bytes | None]) -> Fleet:
    """Take in a push to a fleet that is known."""
    old = replace(old, commit="c0ffee1")
    return carry_over_states(old, as_pushed(old, changes), changes, counter(100), NOW)


def ids(fleet: Fleet) -> dict[str, str | None]:
    """Say which server each file is."""
    return {path: each.id for path, each in fleet.documents.items()}


def state(fleet: Fleet, path: str) -> State:
    """Find the state of a file that has one."""
    found = fleet.documents[path].state
    assert found is not None
    return found


def gone(number: int) -> State:
    """Make the state of a deleted server whose container is gone."""
    return mark_deleted(running(number), NOW).model_copy(update={"status": Status.DELETED})


TWO = fleet_of(doc(A, "image: a\n", running(1)), doc(B, "image: b\n", running(2)))
BURIED = fleet_of(doc(GRAVE, "image: a\n", gone(1)), doc(B, "image: b\n", running(2)))


def file(path: str, fleet: Fleet = TWO) -> bytes:
    """Write a file as git has it."""
    return render(fleet.documents[path].head, fleet.documents[path].state)


# --- servers


def test_a_new_definition_gets_a_new_id_and_waits_for_its_host() -> None:
    after = push(TWO, {C: b"image: c\n"})
    assert ids(after)[C] == server_id(100)
    assert state(after, C) == State(
        id=server_id(100), status=Status.PENDING, host="local", since=NOW
    )


def test_an_edit_keeps_id_and_state() -> None:
    after = push(TWO, {A: render("image: z\n", running(1))})
    assert state(after, A) == running(1)
    assert after.documents[A].head == "image: z\n"


def test_an_edit_of_the_state_block_changes_nothing() -> None:
    forged = running(1, status=Status.STOPPED, data_exists=False, host="elsewhere", container=None)
    for block in (forged, running(9), running(2), None):
        after = push(TWO, {A: render("image: z\n", block)})
        assert state(after, A) == running(1)
        assert ids(after)[B] == server_id(2)


def test_a_file_without_its_state_block_keeps_id_and_state() -> None:
    assert state(push(TWO, {A: b"image: z\n"}), A) == running(1)


def test_a_file_that_was_broken_keeps_id_and_state() -> None:
    for content in (b"image: [", b"\xff", b"", render("image: [\n", running(1))):
        after = push(TWO, {A: content})
        assert state(after, A) == running(1)
        assert after.documents[A].problems


def test_a_rename_keeps_id_and_state() -> None:
    after = push(TWO, {A: None, C: file(A)})
    assert ids(after) == {B: server_id(2), C: server_id(1)}
    assert state(after, C) == running(1)


def test_a_server_that_is_buried_is_not_taken_for_another_one_of_the_same_text() -> None:
    purge = b"purge: data\n" + file(A)
    after = push(TWO, {A: None, GRAVE: purge, C: b"image: a\n"})
    assert ids(after) == {GRAVE: server_id(1), B: server_id(2), C: server_id(100)}
    assert after.documents[GRAVE].head.startswith("purge: data\n")


def test_a_rename_with_an_edit_keeps_id_and_state() -> None:
    after = push(TWO, {A: None, "servers.d/folder/c.yaml": render("image: z\n", running(1))})
    assert state(after, "servers.d/folder/c.yaml") == running(1)


def test_a_swap_of_two_names_swaps_the_ids() -> None:
    after = push(TWO, {A: file(B), B: file(A)})
    assert ids(after) == {A: server_id(2), B: server_id(1)}


def test_names_can_go_round_in_a_ring() -> None:
    three = fleet_of(*(doc(p, "image: a\n", running(n)) for n, p in enumerate((A, B, C), 1)))
    after = push(three, {A: file(C, three), B: file(A, three), C: file(B, three)})
    assert ids(after) == {A: server_id(3), B: server_id(1), C: server_id(2)}


def test_a_copy_is_a_new_server() -> None:
    after = push(TWO, {C: file(A)})
    assert ids(after) == {A: server_id(1), B: server_id(2), C: server_id(100)}
    assert state(after, C).data_exists is False


def test_a_copy_is_a_new_server_also_if_the_original_was_edited_with_it() -> None:
    after = push(TWO, {A: render("image: z\n", running(1)), C: file(A)})
    assert (ids(after)[A], ids(after)[C]) == (server_id(1), server_id(100))


def test_two_copies_of_one_file_under_new_names_are_two_servers() -> None:
    after = push(TWO, {A: None, "servers.d/x.yaml": file(A), "servers.d/y.yaml": file(A)})
    assert ids(after)["servers.d/x.yaml"] == server_id(1)
    assert ids(after)["servers.d/y.yaml"] == server_id(100)


def test_a_server_that_another_one_was_moved_over_is_deleted_and_not_forgotten() -> None:
    after = push(TWO, {A: file(B), B: None})
    assert ids(after) == {A: server_id(2), GRAVE: server_id(1)}
    assert state(after, GRAVE).status is Status.DELETING
    assert [str(each) for each in check(after, {A, B})] == [
        ("servers.d/a.yaml: a deleted server 'a' with its data is still kept; bring the old one"
        " back with `zedops restore a`, or let go of it with `git rm tombstones.d/a.yaml`")
    ]


# --- deletions


def test_a_deleted_definition_becomes_a_tombstone_and_keeps_its_text_and_data() -> None:
    after = push(TWO, {A: None})
    assert ids(after) == {B: server_id(2), GRAVE: server_id(1)}
    assert state(after, GRAVE) == mark_deleted(running(1), NOW, TWO.settings)
    assert after.documents[GRAVE].head == "image: a\n"


def test_a_file_moved_to_the_tombstones_by_hand_is_a_deletion() -> None:
    after = push(TWO, {A: None, GRAVE: file(A)})
    assert ids(after) == {B: server_id(2), GRAVE: server_id(1)}
    assert state(after, GRAVE) == mark_deleted(running(1), NOW, TWO.settings)


def test_a_file_moved_there_without_its_state_is_a_deletion_too() -> None:
    after = push(TWO, {A: None, GRAVE: b"image: a\n"})
    assert ids(after) == {B: server_id(2), GRAVE: server_id(1)}
    assert state(after, GRAVE) == mark_deleted(running(1), NOW, TWO.settings)


def test_a_file_moved_there_under_another_name_is_one_deletion() -> None:
    after = push(TWO, {A: None, "tombstones.d/z.yaml": file(A)})
    assert sorted(filter(None, ids(after).values())) == [server_id(1), server_id(2)]
    assert not [each for each in after.servers() if each.id == server_id(1)]


def test_a_copy_of_a_living_server_among_the_tombstones_harms_nobody() -> None:
    for changes in ({GRAVE: file(A)}, {GRAVE: file(A), A: render("image: z\n", running(1))}):
        after = push(TWO, changes)
        assert ids(after) == {A: server_id(1), B: server_id(2)}
        assert state(after, A) == running(1)


def test_a_tombstone_that_was_edited_keeps_its_state() -> None:
    after = push(BURIED, {GRAVE: render("image: z\n", running(1))})
    assert state(after, GRAVE) == gone(1)


def test_a_tombstone_that_was_renamed_keeps_its_id_once() -> None:
    for buried in (gone(1), mark_deleted(running(1), NOW)):
        before = fleet_of(doc(GRAVE, "image: a\n", buried))
        for name in ("tombstones.d/0.yaml", "tombstones.d/z.yaml"):
            after = push(before, {GRAVE: None, name: file(GRAVE, before)})
            assert list(ids(after).values()) == [server_id(1)]


def test_a_copy_of_a_tombstone_is_none() -> None:
    after = push(BURIED, {"tombstones.d/z.yaml": file(GRAVE, BURIED)})
    assert ids(after) == {GRAVE: server_id(1), B: server_id(2)}


def test_a_tombstone_that_was_removed_is_let_go() -> None:
    assert ids(push(BURIED, {GRAVE: None})) == {B: server_id(2)}


def test_a_removed_tombstone_whose_container_is_still_there_comes_back() -> None:
    before = fleet_of(doc(GRAVE, "image: a\n", mark_deleted(running(1), NOW)))
    after = push(before, {GRAVE: None})
    assert after.documents == before.documents


# --- restores


def test_a_revert_brings_back_the_same_server_and_ends_the_tombstone() -> None:
    after = push(BURIED, {A: render("image: a\n", running(1))})
    assert ids(after) == {A: server_id(1), B: server_id(2)}
    assert (state(after, A).status, state(after, A).deleted_at) == (Status.PENDING, None)
    assert state(after, A).data_exists


def test_a_tombstone_moved_back_is_a_restore() -> None:
    after = push(BURIED, {GRAVE: None, A: file(GRAVE, BURIED)})
    assert ids(after) == {A: server_id(1), B: server_id(2)}
    assert state(after, A).status is Status.PENDING


def test_a_tombstone_moved_back_under_another_name_is_a_restore() -> None:
    after = push(BURIED, {GRAVE: None, C: file(GRAVE, BURIED)})
    assert ids(after) == {C: server_id(1), B: server_id(2)}


def test_a_restore_while_the_container_is_still_being_removed_is_the_same_server() -> None:
    before = fleet_of(doc(GRAVE, "image: a\n", mark_deleted(running(1), NOW)))
    for changes in ({GRAVE: None, A: file(GRAVE, before)}, {A: render("image: a\n", running(1))}):
        after = push(before, changes)
        assert ids(after) == {A: server_id(1)}
        assert state(after, A).status is Status.PENDING


def test_a_restored_file_without_state_is_known_by_its_text() -> None:
    after = push(BURIED, {A: b"image: a\n"})
    assert ids(after) == {A: server_id(1), B: server_id(2)}


def test_another_text_under_the_name_of_a_deleted_server_is_another_server() -> None:
    after = push(BURIED, {A: b"image: other\n"})
    assert ids(after) == {A: server_id(100), GRAVE: server_id(1), B: server_id(2)}
    assert len(check(after, {A})) == 1


def test_an_id_that_main_does_not_hold_is_void() -> None:
    for block in (gone(3), running(3), State(id=server_id(3), commit="c0ffee2", data_exists=True)):
        after = push(TWO, {C: render("image: c\n", block)})
        assert state(after, C) == State(
            id=server_id(100), status=Status.PENDING, host="local", since=NOW
        )
    pushed = as_pushed(TWO, {C: render("image: c\n", gone(3)), B: file(A)})
    known = replace(TWO, commit="c0ffee1")
    assert void_ids(known, pushed, {B, C}) == {C: server_id(3)}
    assert void_ids(TWO, pushed, {B, C}) == {}


def test_a_tombstone_with_an_id_that_main_does_not_hold_is_none() -> None:
    for head in ("image: a\n", "image: a\npurge: data\n"):
        after = push(TWO, {"tombstones.d/c.yaml": render(head, gone(3))})
        assert ids(after) == ids(TWO)


def test_a_definition_itself_says_which_id_it_goes_on_with() -> None:
    adopts = f"image: c\nadopt: {server_id(3)}\n"
    after = push(TWO, {C: render(adopts, gone(4))})
    assert state(after, C) == State(id=server_id(3), host="local", since=NOW)
    after = push(TWO, {"tombstones.d/c.yaml": adopts.encode()})
    assert (ids(after)["tombstones.d/c.yaml"], state(after, "tombstones.d/c.yaml").status) == (
        server_id(3), Status.DELETING
    )
    for held in (1, 2):  # one that lives is not given away
        after = push(TWO, {C: f"image: c\nadopt: {server_id(held)}\n".encode()})
        assert ids(after)[C] == server_id(100)
        assert ids(after)[A] == server_id(1)


def test_a_fleet_that_begins_is_believed_as_it_is() -> None:
    begun = carry_over_states(
        fleet_of(), as_pushed(fleet_of(), {A: file(A)}), {A}, counter(100), NOW
    )
    assert state(begun, A) == running(1)


# --- whatever people do


@dataclass
class World:
    """A fleet, and every server id that a person has not let go of."""

    fleet: Fleet = field(default_factory=fleet_of)
    known: set[str] = field(default_factory=set)
    next_id: int = 0
    time: int = 0

    def push(self, changes: dict[str, bytes | None]) -> None:
        """Push; the gate refuses what breaks a rule."""
        self.time += 1

        def new_id() -> str:
            self.next_id += 1
            return server_id(self.next_id)

        new = as_pushed(self.fleet, changes)
        after = carry_over_states(self.fleet, new, changes, new_id, later(self.time))
        if check(after, changes):
            return
        living = {each.id for each in after.servers()}
        removed = {path for path, content in changes.items() if content is None}
        for grave in self.fleet.tombstones():
            at_rest = grave.state is not None and grave.state.status is Status.DELETED
            if grave.path in removed and at_rest and grave.id not in living:
                self.known.discard(grave.id or "")
        self.fleet = after
        self.known |= {each.id for each in after.documents.values() if each.id}
        self.check()

    def finish_deletions(self) -> None:
        """Let the hosts remove the containers of deleted servers."""
        done: dict[str, Document | None] = {
            each.path: replace(
                each, state=each.state.model_copy(update={"status": Status.DELETED})
            )
            for each in self.fleet.tombstones() if each.state
        }
        self.fleet = self.fleet.with_documents(done)

    def check(self) -> None:
        """Hold every rule about ids against the fleet."""
        every = [each.id for each in self.fleet.documents.values()]
        assert None not in every
        assert len(set(every)) == len(every), ids(self.fleet)
        assert set(every) == self.known, (ids(self.fleet), self.known)


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_FOLDERS = st.sampled_from(["servers.d", "servers.d", "servers.d/x", "tombstones.d"])
_PATHS = st.builds(lambda folder, name: f"{folder}/{name}.yaml", _FOLDERS, _NAMES)
_HOW = st.sampled_from(["as it is", "edited", "no state", "forged"])
_ACTS = st.one_of(
    st.tuples(st.just("write"), _PATHS, _PATHS, _HOW),
    st.tuples(st.just("copy"), _PATHS, _PATHS, _HOW),
    st.tuples(st.just("move"), _PATHS, _PATHS, _HOW),
    st.tuples(st.just("swap"), _PATHS, _PATHS, _HOW),
    st.tuples(st.just("remove"), _PATHS, _PATHS, _HOW),
    st.tuples(st.just("restore"), _PATHS, _PATHS, _HOW),
)
_PUSHES = st.lists(st.tuples(st.lists(_ACTS, min_size=1, max_size=3), st.booleans()), max_size=8)


def _content(each: Document, how: str) -> bytes:
    match how:
        case "edited":
            return render(each.head + "# more\n", each.state)
        case "no state":
            return each.head.encode()
        case "forged":
            return render(each.head, running(999))
        case _:
            return render(each.head, each.state)


def _apply(
    files: dict[str, Document], history: list[Document], act: tuple[str, str, str, str]
) -> dict[str, bytes | None]:
    kind, one, other, how = act
    first, second = files.get(one), files.get(other)
    match kind:
        case "write":
            return {one: f"image: {other.rpartition('/')[2][0]}\n".encode()}
        case "copy" if first:
            return {other: _content(first, how)}
        case "move" if first and one != other:
            return {one: None, other: _content(first, how)}
        case "swap" if first and second and one != other:
            return {one: _content(second, "as it is"), other: _content(first, how)}
        case "remove" if first:
            return {one: None}
        case "restore" if history:
            old = history[len(one + other) % len(history)]
            return {old.path: _content(old, "as it is")}
    return {}


@settings(max_examples=200)
@given(_PUSHES)
def test_no_server_is_ever_doubled_or_forgotten(
    pushes: list[tuple[list[tuple[str, str, str, str]], bool]]
) -> None:
    world = World()
    world.push({A: b"image: a\n", B: b"image: b\n"})
    history: list[Document] = []
    for acts, hosts_answer in pushes:
        before = dict(world.fleet.documents)
        changes: dict[str, bytes | None] = {}
        for act in acts:
            changes |= _apply(before, history, act)
        restored = {path for path in changes if path not in before}
        known = {each.id for each in before.values()}
        if any(each.path in restored and each.id not in known for each in history):
            continue  # what was let go of may come back with its id: an example of its own
        history += before.values()
        real = {path: new for path, new in changes.items() if new is not None or path in before}
        world.push(real)
        if hosts_answer:
            world.finish_deletions()
