"""Tables fit their terminal: names stay whole, sentences go below, the least telling goes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.cli import columns

HEADINGS = ("NAME", "STATUS", "SINCE", "HOST", "IMAGE", "PORTS", "MESSAGE")
LONG = ("mc-survival", "failed", "12 min", "attic", "registry.example/games/itzg/minecraft:latest",
        "25565/tcp 25575/tcp", "cannot pull it: the network is unreachable; tried again in 30 s")
SHORT = ("v", "running", "3 h", "local", "v", "2456/udp", "")


def drawn(width: int, *rows: tuple[str, ...]) -> list[str]:
    """Write a table without its colours."""
    return ["".join(text for text, _ in pieces) for pieces in columns.lines(HEADINGS, rows, width)]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 240])
def test_names_and_statuses_are_whole_and_every_word_of_a_message_is_there(width: int) -> None:
    made = drawn(width, LONG, SHORT)
    assert any(line.startswith("mc-survival  failed") for line in made)
    assert any(line.startswith("v            running") for line in made)
    assert max(map(len, made)) <= width
    said = " ".join(" ".join(made).split())
    assert all(word in said for word in LONG[-1].split())


def test_at_sixty_columns_the_message_is_below_and_the_image_is_gone() -> None:
    assert drawn(60, LONG, SHORT) == [
        "NAME         STATUS   SINCE   HOST   PORTS",
        "mc-survival  failed   12 min  attic  25565/tcp 25575/tcp",
        "    cannot pull it: the network is unreachable; tried again",
        "    in 30 s",
        "v            running  3 h     local  2456/udp",
    ]


def test_of_an_image_the_end_is_shown_and_of_ports_the_beginning() -> None:
    made = drawn(76, LONG, SHORT)
    assert "…games/itzg/minecraft:latest" not in made[1]
    assert made[1].split("  ")[4].startswith("…")
    assert made[1].split("  ")[4].endswith(":latest")
    assert "25565/tcp" in made[1]


def test_with_room_the_message_is_beside_its_row() -> None:
    assert drawn(240, LONG)[1].endswith(f"  {LONG[-1]}")


def test_wide_letters_count_twice() -> None:
    made = list(columns.lines(("WHO", "WHAT"), [("雪", "a"), ("Ada", "b")], 40))
    assert ["".join(text for text, _ in pieces) for pieces in made] == [
        "WHO  WHAT", "雪   a", "Ada  b",
    ]


@given(st.lists(st.text("abc -/:", max_size=60), min_size=7, max_size=7),
       st.integers(60, 200))
def test_any_table_fits_as_far_as_its_names_do(row: list[str], width: int) -> None:
    row[0], row[1], row[2], row[3] = row[0][:20], row[1][:8], row[2][:8], row[3][:10]
    assert max(map(len, drawn(width, tuple(row)))) <= width
