"""Lines of a log: their ids, which of them a reader gets, and what is left of hostile bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zedops.protocol import log_lines as wire
from zedops_agent.log_lines import Choice, Raw, around, clean, later, line, newest, raw_lines


def at(second: int) -> str:
    return f"2026-12-01T10:{second // 60:02}:{second % 60:02}.000000001Z"


def message(second: int, text: str, *, is_error: bool = False) -> tuple[bool, bytes]:
    return is_error, f"{at(second)} {text}".encode()


def log(*texts: str) -> list[Raw]:
    return list(raw_lines(message(n, f"{text}\n") for n, text in enumerate(texts)))


def texts(lines: object) -> list[str]:
    return [each.text for each in lines]  # type: ignore[attr-defined]


def test_parts_of_a_long_line_are_one_line() -> None:
    raws = raw_lines([message(1, "a" * 10), message(1, "b\n"), message(2, "c\n"), message(3, "d")])
    assert texts(map(line, raws)) == ["aaaaaaaaaab", "c", "d"]


def test_lines_of_one_time_have_ids_of_their_own() -> None:
    raws = raw_lines([message(1, "a\n"), message(1, "b\n"), message(2, "c\n")])
    assert [line(each).id for each in raws] == [at(1), f"{at(1)}~1", at(2)]


def test_pages_join_without_a_gap_or_a_twin() -> None:
    raws = list(raw_lines(message(n // 7, f"{n}\n") for n in range(100)))
    seen: list[str] = []
    before = ""
    while True:
        page = newest(raws, Choice(9, before=before)).lines
        if not page:
            break
        seen = [*texts(page), *seen]
        before = page[0].id
    assert seen == [str(n) for n in range(100)]
    assert texts(map(line, later(raws, line(raws[50]).id))) == [str(n) for n in range(51, 100)]


def test_a_line_that_is_gone_stands_for_its_time() -> None:
    raws = log("a", "b", "c", "d")
    gone = at(1).replace("001Z", "002Z")
    assert texts(newest(raws, Choice(9, before=gone)).lines) == ["a", "b"]
    assert texts(map(line, later(raws, gone))) == ["c", "d"]
    assert texts(around(raws, Choice(2, around=gone)).lines) == ["b", "c", "d"]


def test_a_line_stands_in_its_middle() -> None:
    raws = log(*"abcdefgh")
    found = around(raws, Choice(4, around=at(4)))
    assert texts(found.lines) == ["c", "d", "e", "f", "g"]
    assert found.is_full


def test_a_search_ignores_case_and_colours_and_gives_context_and_gaps() -> None:
    raws = log("one", "two", "\x1b[31mEr\x1b[0mror A", "x", "y", "z", "ERROR b", "last")
    lines = newest(raws, Choice(50, search="error", context=1)).lines
    assert texts(lines) == ["two", "Error A", "x", "z", "ERROR b", "last"]
    assert [each.is_hit for each in lines] == [False, True, False, False, True, False]
    assert [each.follows_gap for each in lines] == [True, False, False, True, False, False]
    assert texts(newest(log("GRÜN", "rot"), Choice(5, search="grün")).lines) == ["GRÜN"]


def test_the_newest_hits_are_given() -> None:
    found = newest(log(*(f"hit {n}" for n in range(100))), Choice(3, search="hit"))
    assert texts(found.lines) == ["hit 97", "hit 98", "hit 99"]
    assert (found.read, found.is_full) == (100, True)


def test_hostile_bytes_become_plain_text() -> None:
    assert clean(b"\x1b]0;title\x07\x1b[2J\x1b[1;31mred\x1b[0m\xff\n") == "red\ufffd"
    assert clean(b"10%\r50%\r100%\r\n") == "100%"
    assert clean(b"a\x00b\x08c") == "a␀b␈c"
    assert clean("x\u202eevil\u2066\x9b".encode()) == "x\ufffdevil\ufffd\ufffd"
    assert clean(b"y" * 100_000).endswith("y … (cut)")


@given(st.binary())
def test_every_bytes_can_be_shown_and_sent(raw: bytes) -> None:
    made = line((at(1), 0, raw, False))
    assert not {c for c in made.text if ord(c) < 32 and c != "\t"}
    sent = wire.write(made)
    assert sent.count(b"\n") == 1
    assert wire.read(sent.decode()) == made


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60))))
def test_no_message_breaks_the_reader(messages: list[tuple[bool, bytes]]) -> None:
    made = [line(each) for each in raw_lines(messages)]
    assert all(wire.is_line_id(each.id) for each in made)
    assert len(made) <= len(messages)
