"""A push is merged by document: the person's definition, the hub's state."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.pure.fleets import running
from zedops.fleet.merge import merge
from zedops.spec.document import parse
from zedops.spec.state import Status
from zedops.spec.state_block import render

A = "servers.d/a.yaml"
RUNS, STOPS = running(1), running(1, status=Status.STOPPED, message="by hand")
Content = bytes | None


def no_lines(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Stand for git where both changed the same lines: a conflict."""
    return None


def by_lines(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Stand for git where the lines do not touch: what theirs appended goes below ours."""
    return ours + theirs.removeprefix(base) if theirs.startswith(base) else None


def merged(base: Content, ours: Content, theirs: Content, path: str = A) -> Content | str:
    """Merge one path; a conflict as text."""
    results, problems = merge({path: base}, {path: ours}, {path: theirs}, by_lines)
    return str(problems[0]) if problems else results[path]


OLD = render("image: a\n", RUNS)
PULL = "run `git pull`, resolve the conflict and push again"
DELETED_HERE = f"{A}: deleted here, but another push changed it; {PULL}"
DELETED_THERE = f"{A}: changed here, but deleted or renamed meanwhile; {PULL}"
SAME_LINES = f"{A}: another push changed the same lines; {PULL}"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "result"),
    [
        (OLD, OLD, render("image: b\n", RUNS), render("image: b\n", RUNS)),
        (OLD, render("image: a\n", STOPS), render("image: b\n", RUNS), render("image: b\n", STOPS)),
        (OLD, render("image: a\n", STOPS), OLD, render("image: a\n", STOPS)),
        (OLD, render("image: a\n", STOPS), b"image: b\n", render("image: b\n", STOPS)),
        (OLD, render("image: a\n", STOPS), render("image: a\n", None), render("image: a\n", STOPS)),
        (OLD, render("image: a\n", STOPS), None, None),
        (OLD, render("image: c\n", STOPS), None, DELETED_HERE),
        (OLD, None, render("image: b\n", RUNS), DELETED_THERE),
        (OLD, None, render("image: a\n", STOPS), None),
        (OLD, None, None, None),
        (OLD, render("image: a\nhost: x\n", STOPS), render("image: a\n# y\n", RUNS),
         render("image: a\nhost: x\n# y\n", STOPS)),
        (OLD, render("image: b\n", STOPS), render("image: c\n", RUNS), SAME_LINES),
        (OLD, render("image: b\n", STOPS), render("image: b\n", RUNS), render("image: b\n", STOPS)),
        (None, render("image: a\n", RUNS), b"image: a\n", render("image: a\n", RUNS)),
        (render("image: a\n", None), OLD, b"image: b\n\n", render("image: b\n\n", RUNS)),
    ],
)  # fmt: skip
def test_of_a_server_the_push_brings_the_head_and_the_hub_keeps_the_state(
    base: Content, ours: Content, theirs: Content, result: Content | str
) -> None:
    assert merged(base, ours, theirs) == result


@pytest.mark.parametrize("path", ["zedops.yaml", "README.md", "notes/a.yaml"])
def test_any_other_file_is_merged_by_its_lines(path: str) -> None:
    assert merged(b"a\n", b"a\nb\n", b"a\n", path) == b"a\nb\n"
    assert merged(b"a\n", b"a\nb\n", b"a\nc\n", path) == b"a\nb\nc\n"
    assert merged(b"a\n", b"x\n", b"y\n", path) == (
        f"{path}: another push changed it differently; {PULL}"
    )
    assert merged(b"a\n", b"x\n", None, path) == (
        f"{path}: deleted on one side, changed on the other; {PULL}"
    )


def test_every_conflict_is_reported_and_the_rest_is_merged() -> None:
    names = [f"servers.d/{name}.yaml" for name in "abc"]
    base: dict[str, Content] = dict.fromkeys(names, OLD)
    ours = dict.fromkeys(names, render("image: b\n", STOPS))
    theirs = dict.fromkeys(names, render("image: c\n", RUNS))
    theirs[names[1]] = OLD
    results, problems = merge(base, ours, theirs, no_lines)
    assert [each.path for each in problems] == [names[0], names[2]]
    assert results == {names[1]: ours[names[1]]}


def test_a_file_that_is_no_text_does_not_stop_the_merge() -> None:
    theirs = b"image: caf\xe9\n"
    assert merged(OLD, render("image: a\n", STOPS), theirs) == render(
        theirs.decode("utf-8", "surrogateescape"), STOPS
    )


_HEADS = st.lists(
    st.sampled_from(["image: a\n", "host: b\n", "# c\n", "env: {A: b}\n", "\n", "x: [\n"]),
    max_size=4,
).map("".join)
_STATES = st.sampled_from([RUNS, STOPS, running(1, message="x")])
_FILES = st.one_of(st.none(), st.builds(render, _HEADS, st.one_of(st.none(), _STATES)))


@given(_FILES, st.builds(render, _HEADS, _STATES), _FILES)
def test_the_state_of_the_hub_always_survives(base: Content, ours: bytes, theirs: Content) -> None:
    assume(base != ours)
    result = merged(base, ours, theirs)
    if isinstance(result, bytes):
        assert parse(A, result).state == parse(A, ours).state


@given(_HEADS, _HEADS, _STATES, _STATES, st.one_of(st.none(), _STATES))
def test_an_edit_never_conflicts_with_what_happened_to_the_server(
    old: str, new: str, before: object, after: object, seen: object
) -> None:
    assert isinstance(before, type(RUNS))
    assert isinstance(after, type(RUNS))
    assert seen is None or isinstance(seen, type(RUNS))
    ours, theirs = render(old, after), render(new, seen)
    assume(before != after)
    results, problems = merge({A: render(old, before)}, {A: ours}, {A: theirs}, no_lines)
    assert problems == []
    content = results[A]
    assert content is not None
    assert parse(A, content).head == parse(A, render(new, None)).head
    assert parse(A, content).state == after


@given(_FILES, _FILES)
def test_merging_with_a_hub_that_stood_still_is_the_push(base: Content, theirs: Content) -> None:
    assert merged(base, base, theirs) == theirs


@given(_FILES, _FILES)
def test_merging_a_push_that_changed_nothing_is_the_hub(base: Content, ours: Content) -> None:
    assert merged(base, ours, base) == ours
