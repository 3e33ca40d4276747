"""The palette suggests what the words name: a server first, then acts that its status allows."""

from __future__ import annotations

from tests.pure.queries.test_overview import made
from zedops.queries.palette import MOST, suggest

PAGES = [("Servers", "/"), ("Hosts", "/hosts")]
ROWS = [made("rosewood"), made("rose", status="stopped", desired="stopped"), made("muldraugh"),
        made("primrose", status="deleted"), made("odd/name", status="failed")]


def titles(text: str, *, may_act: bool = True) -> list[str]:
    return [each.title for each in suggest(ROWS, PAGES, text, may_act=may_act)]


def test_without_words_it_lists_the_pages() -> None:
    assert titles("") == ["Servers", "Hosts"]
    assert titles("host") == ["Hosts"]


def test_an_exact_name_comes_before_a_beginning_and_that_before_a_part() -> None:
    found = titles("rose", may_act=False)
    assert found == ["rose", "rosewood", "primrose"]
    assert titles("ROSEW", may_act=False) == ["rosewood"]
    assert titles("nothing like it") == []


def test_an_act_is_suggested_where_the_page_offers_it() -> None:
    assert titles("stop rose") == ["Stop rosewood"]
    assert titles("start rose") == ["Start rose", "Restart rosewood"]
    assert titles("stop rose", may_act=False) == []
    assert titles("restore") == []  # an act needs a part of a name
    assert titles("restore prim") == ["Restore primrose"]
    edit, = suggest(ROWS, PAGES, "edit odd", may_act=True)
    assert (edit.href, edit.is_act) == ("/servers/odd%2Fname/edit", False)
    stop, = suggest(ROWS, PAGES, "stop rosewood", may_act=True)
    assert (stop.href, stop.is_act) == ("/act?verb=stop&server=rosewood", True)


def test_a_large_fleet_gives_a_short_list() -> None:
    many = [made(f"server-{number}") for number in range(500)]
    assert len(suggest(many, PAGES, "server", may_act=True)) == MOST
