"""Lines of several logs on one page, and what a tab that follows them has seen."""

from __future__ import annotations

import pytest

from zedops.control.log_stream import records
from zedops.errors import HostUnavailable
from zedops.protocol.log_lines import End, Line, write
from zedops.web.log_pages import LogPage, Shown, Source, Wanted, merge, read_wanted
from zedops.web.log_tails import Piece, Seen


def line(name: str, second: int, number: int = 0) -> Shown:
    at = f"2026-12-01T10:00:{second:02}.000000000Z"
    return Shown(name, Line(f"{at}~{number}" if number else at, f"{name}{second}"))


def page(*lines: Shown, is_first: bool = True, trouble: str = "") -> LogPage:
    return LogPage(lines, is_first, troubles=(trouble,) if trouble else ())


def texts(found: LogPage) -> list[str]:
    return [each.line.text for each in found.lines]


def test_lines_of_servers_are_merged_by_time_and_bounded() -> None:
    one, other = page(line("a", 1), line("a", 5)), page(line("b", 3), line("b", 4))
    assert texts(merge([one, other], Wanted())) == ["a1", "b3", "b4", "a5"]
    found = merge([one, other], Wanted(count=2))
    assert texts(found) == ["b4", "a5"]
    assert not found.is_first
    assert found.oldest == "2026-12-01T10:00:04.000000000Z"


def test_a_silent_host_does_not_hide_the_others_lines() -> None:
    found = merge([page(line("a", 1)), page(trouble="b: no answer")], Wanted())
    assert (texts(found), found.troubles, found.is_first) == (["a1"], ("b: no answer",), True)


@pytest.mark.parametrize(("said", "wanted"), [
    ({"before": "x'", "line": "<b>", "context": "-1"}, Wanted()),
    ({"context": "999", "q": "y" * 300}, Wanted(search="y" * 200, context=20)),
    ({"at": "2026-12-01T10:00:03"}, Wanted(line="2026-12-01T10:00:03.000000000Z")),
    ({"at": "2026-12-01T10:00:03+02:00"}, Wanted(line="2026-12-01T08:00:03.000000000Z")),
    ({"at": "0001-01-01T00:00+14:00"}, Wanted()),
])  # fmt: skip
def test_a_url_asks_for_bounded_things_only(said: dict[str, str], wanted: Wanted) -> None:
    assert read_wanted(said) == wanted


def test_a_level_is_read_from_the_beginning_of_a_line() -> None:
    levels = {text: Shown("a", Line("", text)).level for text in (
        "[10:00] [main/ERROR] x", "WARN: y", "DEBUG z", "a terror warning", "x" * 300 + " ERROR",
    )}
    assert list(levels.values()) == ["error", "warn", "debug", "", ""]


def news(seen: Seen, *pieces: Piece) -> list[str | None]:
    return [each.line.text if isinstance(each, Shown) else each for each in seen.news(pieces)]


def test_a_tab_gets_what_it_has_not_and_sees_gaps() -> None:
    sources = (Source("a", "1"), Source("b", "2"))
    seen = Seen(sources, [line("a", 2).line.id, ""])
    assert news(seen, line("a", 1), line("a", 2), line("b", 9), line("a", 3)) == ["b9", "a3"]
    assert seen.stamp == f"{line('a', 3).line.id}|{line('b', 9).line.id}"
    late = Seen(sources[:1], [line("a", 2).line.id])
    assert news(late, line("a", 7), "the host is silent") == [None, "a7", "the host is silent"]


def test_records_come_in_any_pieces_and_only_as_such() -> None:
    sent = (Line(line("a", 1).line.id, "x\N{BELL}"), End(is_first=True))
    whole = b"".join(write(each) for each in sent)
    assert tuple(records(iter(whole.decode()))) == sent
    for wrong in ("hello\n", "[]\n", '{"id": "<b>", "text": ""}\n', "x" * 1_000_000):
        with pytest.raises(HostUnavailable):
            list(records(iter([wrong])))
