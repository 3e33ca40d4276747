"""The state block is read without YAML where it is as zedops writes it: both ways agree."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import running
from zedops.spec.document import parse
from zedops.spec.state import State, Status
from zedops.spec.state_block import MARKER, render

PATH = "servers.d/a.yaml"
HEAD = "image: a\n"
TEXT = st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["007", "22:22", "on", "null"]))
STATES = st.builds(
    running, st.integers(1, 99), message=TEXT, container=TEXT, image=TEXT, commit=TEXT,
    status=st.sampled_from(Status), data_exists=st.booleans(), data_lost=st.booleans(),
    deleted_at=st.one_of(st.none(), st.just(datetime(2026, 11, 23, 10, tzinfo=UTC))),
)


def by_hand(text: bytes) -> bytes:
    """Write the same block in a way that only YAML reads: one more comment."""
    return text.replace(b"state:\n", b"state:\n  # by hand\n", 1).replace(
        b"state:\r\n", b"state:\r\n  # by hand\r\n", 1
    )


@given(STATES, st.sampled_from([HEAD, "image: a\r\n", ""]))
def test_what_zedops_wrote_reads_the_same_with_and_without_yaml(state: State, head: str) -> None:
    written = render(head, state)
    other = by_hand(written)
    assert other != written
    assert parse(PATH, written).state == parse(PATH, other).state
    assert parse(PATH, written).problems == parse(PATH, other).problems


@pytest.mark.parametrize("change", [
    ("data_exists: true", "data_exists: yes-and-no"),
    ("  status: ", "  stat: "),
    ('status: "running"', "status: 1"),
    ('status: "running"', 'status: "running" junk'),
    ("state:\n", "state:\nports: {}\n"),
    (MARKER + "\n", MARKER + "\n\n"),
])
def test_what_a_person_made_of_it_is_left_to_yaml(change: tuple[str, str]) -> None:
    written = render(HEAD, running(1)).decode()
    assert change[0] in written
    changed = written.replace(*change, 1).encode()
    by_yaml = parse(PATH, by_hand(changed))
    assert parse(PATH, changed).state == by_yaml.state
    assert [each.fact for each in parse(PATH, changed).problems] == [
        each.fact for each in by_yaml.problems
    ]


def test_a_state_of_a_newer_zedops_keeps_its_id_and_what_is_understood() -> None:
    state = running(1, message="all is well")
    text = render("image: a\n", state).decode()
    newer = text.replace('status: "running"', 'status: "sleeping"') + "  moved_at: 3\n"
    read = parse(PATH, newer.encode())
    assert read.problems == ()
    assert read.state == state.model_copy(update={"status": Status.PENDING})
    unread = parse(PATH, text.replace("exists: true", "exists: 2").encode())
    assert unread.state == state
    lost = parse(PATH, text.replace(state.id, "mine").encode())
    assert lost.state is None
