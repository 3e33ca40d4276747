"""The user's half of a file is theirs, byte for byte; the state half is what zedops wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pure.fleets import server_id
from zedops.spec.document import parse
from zedops.spec.state import State, Status
from zedops.spec.state_block import MARKER, format_time, render, split

PATH = "servers.d/rosewood.yaml"
STATE = State(id=server_id(7), status=Status.RUNNING, data_exists=True, container="123456789012")

_TEXT = st.text(st.characters(codec="utf-8"))
_LINES = st.sampled_from([
    "image: a", "host: attic", "# a comment", "  # indented", "", " ", "\t", "env:", "  A: 'it''s'",
    '  B: "x: y"', "  C: |", "    one", "    two", "  D: >-", "    folded", "  Ä: übung 🎮",
    "ports: {game: 16261/udp}", "command: [a, b]   # why", "labels: &l {x: y}", "---", "%YAML 1.1",
    "\ufeff", "- x", "key with spaces :  value ", "image:    a   ",
])  # fmt: skip
_YAMLISH = st.builds(
    lambda lines, newline, end: newline.join(lines) + end,
    st.lists(_LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n", "\r\n", "\n\n", "\n\n\n", "\r"]),
)


def _written(text: str) -> bool:
    """Say whether a text has no state half of its own."""
    return split(text)[1] == ""


@given(st.one_of(_YAMLISH, _TEXT).filter(_written))
@example("image: a")
@example("image: a\r\n")
@example("image: a\n\n\n")
@example("image: a\r\nhost: b\n")
@example("image: a\n\r")
@example("")
@example("\n")
def test_the_head_comes_back_byte_for_byte_under_any_state(text: str) -> None:
    once = render(text, STATE)
    head = parse(PATH, once).head
    assert once.startswith(text.encode())
    assert head.encode() == text.encode() or head in (text + "\n", text + "\r\n")


@given(st.one_of(_YAMLISH, _TEXT).filter(_written))
@example("")
@example("\n")
@example("\r")
@example("image: a\r")
@example("image: a\n\r")
@example("image: a\r\nhost: b\n\n")
def test_rendering_twice_changes_nothing(text: str) -> None:
    once = render(text, STATE)
    again = parse(PATH, once)
    assert render(again.head, STATE) == once
    assert render(parse(PATH, render(again.head, None)).head, STATE) == once


@given(st.binary(max_size=200))
@example(b"image: caf\xe9\n")
@example(b"\xff\xfe")
def test_even_bytes_that_are_no_text_are_kept_when_the_state_is_written(content: bytes) -> None:
    document = parse(PATH, content)
    head, tail = document.head.encode("utf-8", "surrogateescape"), content
    if not tail or b"state" not in content:
        assert head == content
        assert render(document.head, STATE).startswith(content)


def test_what_was_not_read_says_so_that_nothing_is_written_over_it() -> None:
    assert not parse(PATH, b"image: a\n#" + b"x" * 300_000 + b"\n").is_read
    assert not parse(PATH, b"a.yaml", 0o120000).is_read
    assert parse(PATH, b"\xff").is_read


def test_the_state_block_stands_after_one_blank_line_in_the_line_ends_of_the_file() -> None:
    assert render("image: a", None).decode() == f"image: a\n\n{MARKER}\n"
    assert render("image: a\r\n", None).decode() == f"image: a\r\n\r\n{MARKER}\r\n"


def test_the_state_block_is_written_in_this_form() -> None:
    state = State(
        id=server_id(7), status=Status.STOPPED, host="attic", container="123456789012",
        since=datetime(2026, 11, 23, 8, 12, 20, tzinfo=UTC), message='a "quote" \\ and: colon',
    )
    assert render("image: a\n", state).decode() == f"""\
image: a

{MARKER}
state:
  id: "00000000000000000000000007"
  status: "stopped"
  data_exists: false
  data_lost: false
  deleted_at: null
  host: "attic"
  container: "123456789012"
  image: null
  commit: null
  since: "2026-11-23T08:12:20Z"
  message: "a \\"quote\\" \\\\ and: colon"
"""


def test_a_file_whose_marker_was_deleted_still_has_its_state_block() -> None:
    content = render("image: a\n", STATE).replace(f"{MARKER}\n".encode(), b"")
    document = parse(PATH, content)
    assert (document.head, document.state, document.problems) == ("image: a\n", STATE, ())


def test_a_marker_of_another_version_is_still_the_marker() -> None:
    content = b"image: a\n\n# --- state: written by zedops 9; hands off\nstate:\n"
    assert parse(PATH, content).head == "image: a\n"


def test_a_file_with_the_marker_and_nothing_below_has_no_state_and_no_problem() -> None:
    document = parse(PATH, render("image: a\n", None))
    assert (document.state, document.problems) == (None, ())


# --- states

_TIMES = st.one_of(st.none(), st.datetimes(
    datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
).map(lambda at: at.replace(microsecond=0)))  # fmt: skip
_NASTY = st.sampled_from([
    "123456789012", "1e5", "0755", "22:22", "on", "null", "~", "true", "", " ", "'", '"', "\\",
    "# no comment", "a: b", "- a", "{}", "[", "*a", "&a", "!a", "%a", "@a", "`a", "---", "...",
    "🎮 Üben", "2026-11-23", "state:", MARKER, "\ufeff", "=", "<<",
])  # fmt: skip
_ONE_LINE = st.one_of(
    st.none(), _NASTY,
    st.text(),
)  # fmt: skip


def _maybe(pattern: str) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.from_regex(pattern, fullmatch=True))


_STATES = st.builds(
    State, id=st.from_regex(r"[0-9A-HJKMNP-TV-Z]{26}", fullmatch=True),
    status=st.sampled_from(Status), data_exists=st.booleans(), deleted_at=_TIMES, since=_TIMES,
    host=_maybe(r"[a-z0-9][a-z0-9-]{0,62}"), container=_maybe(r"[0-9a-f]{12}"),
    image=_maybe(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,99}"), commit=_maybe(r"[0-9a-f]{4,64}"),
    message=_ONE_LINE,
)


def _tidy(state: State) -> State:
    """Put every text as the file shows it: one line of printable characters."""
    texts = {
        key: " ".join("".join(c for c in " ".join(value.split()) if c.isprintable()).split())
        for key, value in state.model_dump().items() if type(value) is str and key != "id"
    }
    return state.model_copy(update=texts)


@given(_STATES)
def test_any_state_is_read_back_as_it_was_written(state: State) -> None:
    document = parse(PATH, render("image: a\n", state))
    assert document.problems == ()
    assert document.state == _tidy(state)


_FORGED = ("--output=/tmp/x", "-x", "", "a\nb", "a\0b", "x" * 100_000, "../../etc", "HEAD", "$(id)")


@pytest.mark.parametrize("key", ["commit", "container", "host", "id"])
@pytest.mark.parametrize("value", _FORGED)
def test_no_field_of_a_state_holds_what_has_not_its_shape(key: str, value: str) -> None:
    for written in (json.dumps(value), json.dumps([value]), json.dumps({value: 1}), "1.5"):
        block = f"{MARKER}\nstate:\n  id: \"{STATE.id}\"\n  {key}: {written}\n"
        if key == "id":
            block = f"{MARKER}\nstate:\n  id: {written}\n"
        state = parse(PATH, f"image: a\n\n{block}".encode()).state
        assert state is None or getattr(state, key) in (None, STATE.id)


@pytest.mark.parametrize("key", ["data_exists", "data_lost"])
def test_what_is_no_yes_or_no_is_none(key: str) -> None:
    for written in ('"yes"', "1", '"true"', "[]"):
        block = f"{MARKER}\nstate:\n  id: \"{STATE.id}\"\n  {key}: {written}\n"
        state = parse(PATH, f"image: a\n\n{block}".encode()).state
        assert state is not None
        assert getattr(state, key) is (key == "data_exists")  # unknown is not: there is none


@given(st.text(st.characters()))
@example("line one\nline two\x00\x1b[31m\u2028\x85end")
@example("\ud800")
def test_a_message_of_any_characters_is_written_as_one_readable_line(message: str) -> None:
    once = render("image: a\n", STATE.model_copy(update={"message": message}))
    document = parse(PATH, once)
    assert document.problems == ()
    assert document.state is not None
    assert render("image: a\n", document.state) == once
    assert once.decode().splitlines()[-1].startswith('  message: "')


def test_a_time_of_another_zone_is_the_same_moment_after_a_round_trip() -> None:
    content = render("image: a\n", STATE) + b""
    edited = content.replace(b"deleted_at: null", b"deleted_at: 2026-11-23T10:00:00+02:00")
    state = parse(PATH, edited).state
    assert state is not None
    assert state.deleted_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert b'deleted_at: "2026-11-23T08:00:00Z"' in render("image: a\n", state)


@pytest.mark.parametrize(
    "written", ["2026-11-23", "2026-11-23T08:00:00", '"2026-11-23 08:00"', "5"]
)
def test_a_time_without_a_zone_is_utc_so_that_times_can_be_compared(written: str) -> None:
    content = render("image: a\n", STATE)
    edited = content.replace(b"deleted_at: null", f"deleted_at: {written}".encode())
    state = parse(PATH, edited).state
    assert state is not None
    assert state.deleted_at is not None
    assert state.deleted_at.utcoffset() is not None


def test_an_edited_state_block_that_makes_no_sense_is_no_problem_of_the_user() -> None:
    content = render("image: a\n", STATE).replace(b'"running"', b'"flying"')
    document = parse(PATH, content)
    kept = STATE.model_copy(update={"status": Status.PENDING})
    assert (document.state, document.problems) == (kept, ())


def test_times_are_written_to_the_second() -> None:
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, 678, UTC)) == "2026-01-02T03:04:05Z"


HEADS = st.sampled_from([
    "image: x\n", "image: x\nenv: {A: 1}\n", "imge: x\n", "image: [\n", "", "image: x\n\n",
])
TAILS = st.sampled_from([
    "", f"\n{MARKER}\n", f"\n{MARKER}\nstate:\n  status: running\n",
    f"\n{MARKER}\nmore: x\n", f"\n{MARKER}\nstate: [\n",
])


@given(HEADS, TAILS, HEADS, TAILS)
def test_a_file_is_read_the_same_whatever_was_read_before(
    head: str, tail: str, other_head: str, other_tail: str
) -> None:
    before = parse("servers.d/a.yaml", (other_head + other_tail).encode())
    content = (head + tail).encode()
    plain = parse("servers.d/a.yaml", content)
    read = parse("servers.d/a.yaml", content, like=before)
    assert read == plain
    assert read.data == plain.data
