"""A fleet's documents: what is found without a walk is what a walk would find."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pure.fleets import doc, running, server_id
from zedops.fleet.index import DocumentIndex, is_tombstone
from zedops.spec.document import Document

PATHS = ["servers.d/a.yaml", "servers.d/b.yaml", "servers.d/f/c.yaml", "tombstones.d/a.yaml"]
CHANGE = st.tuples(st.sampled_from(PATHS), st.one_of(st.none(), st.integers(0, 3)))


def written(path: str, number: int) -> Document:
    """A file with an id, or with none for 0, on one of two hosts or on none."""
    host = ("", "host: attic\n", "host: cellar\n")[number % 3]
    return doc(path, f"{host}image: x\n", state=running(number) if number else None)


@settings(max_examples=200)
@given(st.lists(st.lists(CHANGE, max_size=4), max_size=12))
def test_a_shelf_is_a_mapping_that_finds_tombstones_and_owners(
    steps: list[list[tuple[str, int | None]]],
) -> None:
    shelf, model = DocumentIndex(), dict[str, Document]()
    for step in steps:
        changes = {
            path: None if number is None else written(path, number) for path, number in step
        }
        before = dict(shelf)
        changed = shelf.replaced(changes)
        assert shelf == before, "the one that was copied stays as it was"
        shelf, model = changed, {**model, **{k: v for k, v in changes.items() if v is not None}}
        model = {path: each for path, each in model.items() if changes.get(path, each) is not None}
        assert shelf == model
        assert len(shelf) == len(model)
        graves = {path for path in model if is_tombstone(path)}
        assert {each.path for each in shelf.tombstones()} == graves
        for number in range(4):
            owners = {path for path, each in model.items() if each.id == server_id(number)}
            found = shelf.owner(server_id(number))
            assert (found is not None) == bool(owners)
            if found is not None:
                assert found == model[found.path]
                assert is_tombstone(found.path) <= (owners <= graves)
        living = [each for each in model.values() if not is_tombstone(each.path)]
        for name in ("a", "b", "c"):
            assert shelf.named(name) == [each for each in living if each.name == name]
        for host in ("", "attic", "cellar"):
            on = {each.path for each in living
                  if each.definition is not None and (each.definition.host or "") == host}
            assert {each.path for each in shelf.on(host)} == on


def test_a_large_shelf_keeps_everything_over_many_small_changes() -> None:
    paths = [f"servers.d/s{at}.yaml" for at in range(700)]
    shelf = DocumentIndex.of({path: doc(path) for path in paths})
    for at, path in enumerate(paths):
        shelf = shelf.replaced({path: None if at % 2 else doc(path, state=running(at))})
    assert shelf.keys() == set(paths[::2])
    assert all(shelf.owner(server_id(at)) == shelf[paths[at]] for at in range(0, 700, 2))
    assert shelf.owner(server_id(1)) is None
